"""Makes the golden files of this folder with PyTorch 2.11.0 on the CPU (see README.md).

    OMP_NUM_THREADS=1 python make.py

needs `torch==2.11.0`, `numpy` and `safetensors`, and writes into the folder it lies in.
"""

import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS = 100
KEPT = (1, 2, 10, 100)
SHAPES = {"conv.weight": (5, 3, 3, 3), "conv.bias": (5,), "linear.weight": (13, 17), "gain": (1,)}


def save(name, tensors, **metadata):
    metadata["torch"] = torch.__version__
    metadata["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    tensors = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors", metadata)


def learning_rate(step):
    """A rate that changes at every step, as under a schedule."""
    return 1e-2 * (1 + step % 7) / 7


def gradient(parameter, base, step):
    """Elementwise, one rounding for each operation, so that others get the same bits."""
    return base * math.ldexp(step % 5 - 2, -1) + parameter * 0.25


def adamw(variant, dtype):
    generator = torch.Generator().manual_seed(7)
    start = {k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in SHAPES.items()}
    base = {k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in SHAPES.items()}
    start = {k: v.to(dtype) for k, v in start.items()}
    base = {k: v.to(dtype) for k, v in base.items()}
    parameters = {k: torch.nn.Parameter(v.clone()) for k, v in start.items()}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01,
        fused=variant == "fused", foreach=variant == "foreach",
    )
    out = {f"start/{k}": v for k, v in start.items()} | {f"base/{k}": v for k, v in base.items()}
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        for k, p in parameters.items():
            p.grad = gradient(p.detach(), base[k], step)
        optimizer.step()
        if step in KEPT:
            for k, p in parameters.items():
                out[f"{step}/{k}"] = p.detach().clone()
    for k, p in parameters.items():
        state = optimizer.state[p]
        assert state["step"].item() == STEPS
        out[f"exp_avg/{k}"] = state["exp_avg"]
        out[f"exp_avg_sq/{k}"] = state["exp_avg_sq"]
    save(f"adamw_{variant}_{str(dtype).split('.')[1]}", out, source=f"torch.optim.AdamW {variant}")


def clip():
    generator = torch.Generator().manual_seed(8)
    out = {}
    for case, limit in {"above": 1.0, "below": 100.0}.items():
        parameters = []
        for i, shape in enumerate(SHAPES.values()):
            p = torch.nn.Parameter(torch.zeros(shape))
            p.grad = torch.randn(shape, generator=generator)
            out[f"{case}/before/{i}"] = p.grad.clone()
            parameters.append(p)
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit, error_if_nonfinite=True)
        out[f"{case}/norm"] = norm
        for i, p in enumerate(parameters):
            out[f"{case}/after/{i}"] = p.grad
    save("clip", out, source="torch.nn.utils.clip_grad_norm_")


def ema():
    """CompVis' update, and PyTorch's lerp, over 100 updates with LDM's warm-up."""
    generator = torch.Generator().manual_seed(9)
    out, compvis, lerp = {}, None, None
    parameter = torch.randn(37, generator=generator)
    out["start"], out["drift"] = parameter.clone(), torch.randn(37, generator=generator)
    compvis, lerp = parameter.clone(), parameter.clone()
    for n in range(1, 101):
        parameter = parameter + out["drift"] * math.ldexp(n % 3 - 1, -2)
        decay = min(0.9999, (1 + n) / (10 + n))
        compvis.sub_((1.0 - decay) * (compvis - parameter))
        torch._foreach_lerp_([lerp], [parameter], 1 - decay)
    out["compvis"], out["lerp"] = compvis, lerp
    save("ema", out, source="ldm/modules/ema.py; torch._foreach_lerp_")


def layers():
    torch.manual_seed(10)
    out = {}

    def module(name, layer, *inputs, expect=None):
        """Everything in float64, so that the result is the truth for float32."""
        layer = layer.double()
        for key, value in layer.state_dict().items():
            value.copy_(value.float())
            out[f"{name}/{key}"] = value.float()
        for i, value in enumerate(inputs):
            out[f"{name}/in{i}"] = value
        inputs = [v.double() if v.is_floating_point() else v for v in inputs]
        out[f"{name}/out"] = layer(*inputs).float()

    def function(name, call, *inputs):
        for i, value in enumerate(inputs):
            out[f"{name}/in{i}"] = value
        out[f"{name}/out"] = call(*[v.double() for v in inputs]).float()

    x = torch.randn(2, 6, 7, 5)
    module("conv", torch.nn.Conv2d(6, 8, 3, padding=1), x)
    module("conv_strided", torch.nn.Conv2d(6, 4, 3, stride=2, padding=1), x)
    module("conv_depthwise", torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), x)
    module("linear", torch.nn.Linear(5, 9), x)
    module("group_norm", torch.nn.GroupNorm(3, 6, eps=1e-6), x)
    module("layer_norm", torch.nn.LayerNorm(5), x)
    module("embedding", torch.nn.Embedding(11, 4), torch.tensor([[0, 10, 3], [3, 7, 1]]))
    function("silu", F.silu, x)
    function("gelu", F.gelu, x)
    function("upsample", lambda v: F.interpolate(v, scale_factor=2.0, mode="nearest"), x)
    function("pad", lambda v: F.pad(v, (0, 1, 0, 1)), x)
    q, k, v = torch.randn(2, 3, 10, 8), torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    function("attention", lambda q, k, v: torch.softmax(q @ k.mT * 0.3, -1) @ v, q, k, v)
    function("attention_default", lambda q, k, v: torch.softmax(q @ k.mT / 8**0.5, -1) @ v, q, k, v)
    steps = torch.tensor([0, 1, 17, 250, 999])
    for dim in (8, 9):
        half = dim // 2
        freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
        args = steps.double()[:, None] * freqs[None]
        table = torch.cat([args.cos(), args.sin(), torch.zeros(5, dim % 2, dtype=torch.float64)], 1)
        out[f"sinusoidal/{dim}"] = table.float()
    out["sinusoidal/steps"] = steps
    save("layers", out, source="torch.nn in float64")


def power():
    """Post-hoc averages with every integral done numerically, not by the paper's closed forms."""
    points, weights = np.polynomial.legendre.leggauss(2000)

    def integral(f, end):
        # Substituting t = end u^2 smooths the corner at 0.
        u, w = (points + 1) / 2, weights / 2
        return float(np.sum(w * f(end * u**2) * 2 * end * u))

    def response(gamma, end):
        return lambda t: np.where(t <= end, (gamma + 1) * (t / end) ** gamma / end, 0.0)

    def relative_std(gamma):
        f = response(gamma, 1.0)
        mean = integral(lambda t: f(t) * t, 1.0)
        return math.sqrt(integral(lambda t: f(t) * (t - mean) ** 2, 1.0))

    def product(a, b):
        f, g = response(*a), response(*b)
        return integral(lambda t: f(t) * g(t), min(a[1], b[1]))

    gammas = [0.5, 2.0, 6.94, 16.97, 40.0]
    out = {"gammas": gammas, "relative_stds": [relative_std(g) for g in gammas]}
    snapshots = [(g, end) for end in (400, 700, 1000) for g in (6.94, 16.97)]
    targets = [(10.0, 1000), (6.94, 700), (3.0, 900)]
    matrix = [[product(a, b) for b in snapshots] for a in snapshots]
    wanted = [[product(a, b) for b in targets] for a in snapshots]
    solution = np.linalg.solve(np.array(matrix), np.array(wanted))
    out["snapshots"], out["targets"] = snapshots, targets
    out["coefficients"] = (solution / solution.sum(0)).T
    out = {k: torch.tensor(np.array(v), dtype=torch.float64) for k, v in out.items()}
    save("power", out, source="numerical integration of EDM2's response functions")


torch.set_num_threads(1)
for variant in ("fused", "foreach"):
    for dtype in (torch.float32, torch.float64):
        adamw(variant, dtype)
adamw("fused", torch.bfloat16)
clip()
ema()
power()
layers()
