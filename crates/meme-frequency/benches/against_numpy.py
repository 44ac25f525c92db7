"""One round of the same analysis for each line of standard input; answers with seconds."""

import sys
import time

import numpy as np

samples, channels, side, batch = map(int, sys.argv[1:])
maps = np.random.default_rng(0).standard_normal((batch, channels, side, side), dtype=np.float32)


def amplitude():
    """Mean log amplitude, as in the authors' code: transform, logarithm, shift, mean, diagonal."""
    total = np.zeros((side, side))
    for _ in range(samples // batch):
        logs = np.log(np.abs(np.fft.fft2(maps)) + 1e-6)
        total += np.fft.fftshift(logs, axes=(-2, -1)).sum(axis=(0, 1))
    mean = total / (samples * channels)
    return np.diag(mean)[side // 2 :] - mean[side // 2, side // 2]


def power():
    """Mean radial power."""
    total = np.zeros((side, side // 2 + 1))
    for _ in range(samples // batch):
        spectrum = np.fft.rfft2(maps)
        total += (spectrum.real**2 + spectrum.imag**2).sum(axis=(0, 1))
    plane = total / (samples * channels * side * side)
    rows = np.fft.fftfreq(side)[:, None] * side
    columns = np.arange(side // 2 + 1)[None]
    rings = np.rint(np.hypot(rows, columns)).astype(int).ravel()
    weights = np.broadcast_to(np.where((columns == 0) | (columns == side // 2), 1, 2), plane.shape)
    sums = np.bincount(rings, (plane * weights).ravel())
    return (sums / np.bincount(rings, weights.ravel()))[: side // 2 + 1]


for line in sys.stdin:
    start = time.perf_counter()
    {"amplitude": amplitude, "power": power}[line.strip()]()
    print(time.perf_counter() - start, flush=True)
