"""Writes elements_*.safetensors: iFormer's mixer in plain PyTorch with other elements in its branches, in float64.

    python elements.py

Needs torch 2.11.0 and safetensors; a second on one core. Each element is written as its definition says, not as a
library would compute it: attention with its matrix of weights, filters on the whole plane of frequencies, convolutions
tap by tap.
"""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

HERE = Path(__file__).parent
HEADS, HEAD_DIM, HIGH_HEADS, POOL, SIDE = 4, 4, 2, 2, 16
CHANNELS, HIGH = HEADS * HEAD_DIM, HIGH_HEADS * HEAD_DIM
LOW = CHANNELS - HIGH
KERNELS = {"depthwise": (3, 1), "dilated": (3, 2), "large-kernel": (7, 1)}


def depthwise(x, weight, step=1):
    """Each tap times the map that lies under it, zeros around."""
    kernel, (height, width) = weight.shape[-1], x.shape[-2:]
    reach = step * (kernel // 2)
    padded = F.pad(x, [reach] * 4)
    y = torch.zeros_like(x)
    for i in range(kernel):
        for j in range(kernel):
            y = y + weight[:, 0, i, j, None, None] * padded[..., i * step :, j * step :][..., :height, :width]
    return y


def fourier(x, real, imaginary):
    """The filter at every frequency of the plane, by straight lines between its own; of what that gives the real part."""
    own, (height, width) = torch.complex(real, imaginary), x.shape[-2:]

    def at(i, j):
        """At i / height and j / width cycles per pixel, 0 <= 2 j <= width."""
        u, v = SIDE * i / height, SIDE * j / width
        u0, v0 = math.floor(u), min(math.floor(v), SIDE // 2 - 1)
        row = lambda v: own[:, u0 % SIDE, v] * (u0 + 1 - u) + own[:, (u0 + 1) % SIDE, v] * (u - u0)
        return row(v0) * (v0 + 1 - v) + row(v0 + 1) * (v - v0)

    columns = []
    for j in range(width):
        # A real result needs conjugates at opposite frequencies; where a column is its own opposite, so are its halves.
        rows = []
        for i in range(height):
            here, there = (i, j), (-i % height, -j % width)
            if 2 * j < width and j > 0:
                rows.append(at(*here))
            elif 2 * j > width:
                rows.append(at(*there).conj())
            else:
                rows.append((at(*here) + at(*there).conj()) / 2)
        columns.append(torch.stack(rows, -1))
    plane = torch.stack(columns, -1)
    y = torch.fft.ifft2(torch.fft.fft2(x) * plane)
    assert y.imag.abs().max() < 1e-12
    return y.real


def linear_attention(x, weight, bias):
    batch, channels, height, width = x.shape
    qkv = F.linear(x.flatten(2).transpose(1, 2), weight, bias)
    q, k, v = qkv.view(batch, -1, 3, channels // HEAD_DIM, HEAD_DIM).permute(2, 0, 3, 1, 4)
    weights = q.softmax(-1) @ k.softmax(-2).transpose(-2, -1)
    assert (weights.sum(-1) - 1).abs().max() < 1e-12
    return (weights @ v).transpose(1, 2).reshape(batch, -1, channels).transpose(1, 2).view(x.shape)


def element(branch, kind, channels):
    """Shapes of an element's parameters, and what it does with a map and them."""
    if kind == "fourier":
        shape = (channels, SIDE, SIDE // 2 + 1)
        names = [f"{branch}.fourier.real", f"{branch}.fourier.imaginary"]
        return {name: shape for name in names}, lambda x, p: fourier(x, *(p[name] for name in names))
    if kind == "linear-attention":
        shapes = {f"{branch}.qkv.weight": (3 * channels, channels), f"{branch}.qkv.bias": (3 * channels,)}
        return shapes, lambda x, p: linear_attention(x, *(p[name] for name in shapes))
    kernel, step = KERNELS[kind]
    name = f"{branch}.{kind.replace('-', '_')}.weight"
    return {name: (channels, 1, kernel, kernel)}, lambda x, p: depthwise(x, p[name], step)


def golden(high_kind, low_kind, seed):
    generator = torch.Generator().manual_seed(seed)
    high_shapes, high = element("high", high_kind, HIGH)
    low_shapes, low = element("low", low_kind, LOW)
    fused = 2 * HIGH + LOW
    shapes = {
        "high.expand.weight": (HIGH, HIGH // 2, 1, 1),
        "high.pooled.weight": (HIGH, HIGH // 2, 1, 1),
        "high.pooled.bias": (HIGH,),
        "fuse.weight": (fused, 1, 3, 3),
        "projection.weight": (CHANNELS, fused, 1, 1),
        "projection.bias": (CHANNELS,),
        **high_shapes,
        **low_shapes,
    }
    p = {}
    for name, shape in sorted(shapes.items()):
        spread = 1.0 if "fourier" in name else (1.5 / math.prod(shape[1:]) ** 0.5 if len(shape) > 1 else 0.3)
        p[name] = (torch.randn(shape, generator=generator) * spread).bfloat16().double().requires_grad_()
    x = torch.randn(2, CHANNELS, 9, 7, generator=generator).double().requires_grad_()

    convolved, pooled, attended = x.split([HIGH // 2, HIGH // 2, LOW], 1)
    c = F.gelu(high(F.conv2d(convolved, p["high.expand.weight"]), p))
    m = F.gelu(F.conv2d(F.max_pool2d(pooled, 3, 1, 1), p["high.pooled.weight"], p["high.pooled.bias"]))
    small = F.avg_pool2d(attended, POOL, ceil_mode=True, count_include_pad=False)
    large = F.interpolate(low(small, p), scale_factor=float(POOL))[..., : x.shape[2], : x.shape[3]]
    u = torch.cat([c, m, large], 1)
    y = F.conv2d(u + depthwise(u, p["fuse.weight"]), p["projection.weight"], p["projection.bias"])
    y.square().sum().backward()

    tensors = {"input": x, "output": y, "grad_input_of_sum_of_squares": x.grad}
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}
    tensors |= {f"weights.{name}": tensor.detach().bfloat16() for name, tensor in p.items()}
    tensors |= {f"gradients.{name}": tensor.grad.float() for name, tensor in p.items()}
    source = "elements.py beside this file: iFormer's mixer in plain PyTorch 2.11.0, float64, with other elements"
    save_file(tensors, HERE / f"elements_{high_kind}_{low_kind}.safetensors", {
        "source": source, "high_element": high_kind, "low_element": low_kind, "dim": str(CHANNELS),
        "num_heads": str(HEADS), "attention_head": str(HEADS - HIGH_HEADS), "pool_size": str(POOL),
    })


for seed, kinds in enumerate([("dilated", "linear-attention"), ("large-kernel", "dilated"),
                              ("fourier", "large-kernel"), ("depthwise", "fourier")]):
    golden(*kinds, seed)
