"""Prints boundaries.json: boundaries found by other means than the crate's. Run: python make_golden.py > boundaries.json

Clustering costs follow calculate_interval_loss of the authors' interval_clustering.py (gohyojun15/ANT_diffusion,
cfe0fed): the middle of the indices left..right is int((left + right + 1) / 2); the sum of absolute differences from the
middle's value, or minus the sum of the middle's row of the similarity matrix. Small cases are solved by trying every
set of boundaries, the LDM schedule by a dynamic programme over a table of costs in numpy 2.4.6.
"""
import itertools
import json

import numpy as np


def middle(left, right):
    return int((left + right + 1) / 2)


def value_loss(values, left, right):
    return np.abs(values[left : right + 1] - values[middle(left, right)]).sum()


def affinity_loss(matrix, left, right):
    return -matrix[middle(left, right), left : right + 1].sum()


def exhaustive(loss, steps, k):
    best = None
    for inner in itertools.combinations(range(1, steps), k - 1):
        ends = list(inner) + [steps]
        cost = sum(loss(l, r - 1) for l, r in zip([0] + ends[:-1], ends))
        if best is None or cost < best[0] - 1e-12:
            best = (cost, ends)
    return best


def programme(loss, steps, k):
    table = np.full((steps + 1, steps + 1), np.inf)
    for left in range(steps):
        for right in range(left, steps):
            table[left, right + 1] = loss(left, right)
    best = table[0].copy()
    back = []
    for _ in range(1, k):
        total = best[:, None] + table
        back.append(total.argmin(axis=0))
        best = total.min(axis=0)
    ends = [steps]
    for starts in reversed(back):
        ends.append(int(starts[ends[-1]]))
    return float(best[steps]), ends[::-1]


rng = np.random.default_rng(2306)
steps = 15
values = np.cumsum(rng.gamma(0.5, size=steps))[::-1].round(6)
vectors = np.cumsum(rng.normal(size=(steps, 6)), axis=0)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
matrix = (vectors @ vectors.T).round(6)
small = []
for k in (1, 2, 3, 5):
    by_value = exhaustive(lambda l, r: value_loss(values, l, r), steps, k)
    by_affinity = exhaustive(lambda l, r: affinity_loss(matrix, l, r), steps, k)
    small.append({
        "experts": k,
        "value_cost": by_value[0], "value_ends": by_value[1],
        "affinity_cost": by_affinity[0] + steps, "affinity_ends": by_affinity[1],
    })

betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=np.float64) ** 2
alpha_bar = np.cumprod(1 - betas)
log_snr = np.log(alpha_bar / (1 - alpha_bar))
ldm = []
for k in (2, 4, 6):
    cost, ends = programme(lambda l, r: value_loss(log_snr, l, r), 1000, k)
    bounds = np.linspace(log_snr[0], log_snr[-1], k + 1)[1:-1]
    equal = [int((log_snr > b).sum()) for b in bounds] + [1000]
    ldm.append({"experts": k, "cluster_cost": cost, "cluster_ends": ends, "equal_log_snr_ends": equal})

print(json.dumps({"values": values.tolist(), "similarity": matrix.ravel().tolist(), "small": small, "ldm": ldm}))
