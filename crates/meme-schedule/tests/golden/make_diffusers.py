"""Prints diffusers.json: tables and timesteps of diffusers 0.42.1 and k-diffusion's formulas, on the CPU.

Run: python make_diffusers.py > diffusers.json   (torch 2.11.0, diffusers 0.42.1, numpy 2.4.6, scipy)
"""
import json

import numpy as np
import scipy.stats
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EDMEulerScheduler, EulerDiscreteScheduler
from diffusers.schedulers.scheduling_ddpm import betas_for_alpha_bar
from diffusers.training_utils import compute_snr

AT = [0, 1, 2, 10, 100, 249, 250, 499, 500, 501, 749, 750, 900, 990, 997, 998, 999]


def listed(tensor):
    return [float(value) for value in tensor]


tables = {}
for name, kind, start, end in [
    ("scaled-linear", "scaled_linear", 0.0015, 0.0195),
    ("linear", "linear", 1e-4, 0.02),
    ("cosine", "squaredcos_cap_v2", 1e-4, 0.02),
    ("sigmoid-beta", "sigmoid", 1e-4, 0.02),
]:
    for zero in (False, True):
        if zero and kind == "sigmoid":
            continue
        scheduler = DDIMScheduler(
            num_train_timesteps=1000, beta_schedule=kind, beta_start=start, beta_end=end, rescale_betas_zero_snr=zero
        ) if kind != "sigmoid" else DDPMScheduler(
            num_train_timesteps=1000, beta_schedule=kind, beta_start=start, beta_end=end
        )
        tables[name + ("/zero-terminal-snr" if zero else "")] = {
            "alpha_bar": listed(scheduler.alphas_cumprod[AT]), "beta": listed(scheduler.betas[AT]),
        }
laplace = torch.cumprod(1 - betas_for_alpha_bar(1000, alpha_transform_type="laplace"), 0)

# Float64 tables of other people's formulas.
t = torch.linspace(0, 1, 1001, dtype=torch.float64)
start, end, tau = -3, 3, 1  # sigmoid_beta_schedule of lucidrains/denoising-diffusion-pytorch
v_start, v_end = torch.tensor(start / tau, dtype=torch.float64).sigmoid(), torch.tensor(end / tau, dtype=torch.float64).sigmoid()
ab = (-((t * (end - start) + start) / tau).sigmoid() + v_end) / (v_end - v_start)
ab = ab / ab[0]
betas = torch.clip(1 - ab[1:] / ab[:-1], 0, 0.999)
exact = {"sigmoid": listed(torch.cumprod(1 - betas, 0)[AT])}
# Laplace: log-SNR at (i + 1)/1000 is the upper quantile of a Laplace distribution; the last index is cut by max_beta.
log_snr = scipy.stats.laplace.isf((np.array(AT[:-1]) + 1) / 1000, loc=0.3, scale=0.5)
exact["laplace"] = listed(1 / (1 + np.exp(-log_snr)))

timesteps = {}
for spacing in ("leading", "trailing", "linspace"):
    for steps in (2, 7, 10, 16, 25, 50, 64, 200, 999, 1000):
        scheduler = DDIMScheduler(num_train_timesteps=1000, timestep_spacing=spacing, steps_offset=0)
        scheduler.set_timesteps(steps)
        timesteps[f"{spacing}/{steps}"] = [int(value) for value in scheduler.timesteps.flip(0)]
quadratic = {str(s): [int(x) for x in np.linspace(0, np.sqrt(1000 * 0.8), s) ** 2] for s in (10, 20, 25)}

edm = EDMEulerScheduler(sigma_min=0.002, sigma_max=80, sigma_data=0.5, sigma_schedule="karras")
edm.set_timesteps(18)
euler = EulerDiscreteScheduler(
    num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, use_karras_sigmas=True
)
euler.set_timesteps(20)
# k-diffusion's sampling.get_sigmas_karras in float64.
ramp = np.linspace(0, 1, 18)
karras = (80 ** (1 / 7) + ramp * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7

ldm = DDIMScheduler(num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0195)
torch.manual_seed(0)
x0, eps = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
at = torch.tensor([0, 250, 500, 750, 999])
ldm.alphas_cumprod = torch.cumprod(1 - torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2, 0)
parametrisation = {
    "at": listed(at), "x0": listed(x0), "eps": listed(eps), "noised": listed(ldm.add_noise(x0, eps, at)),
    "velocity": listed(ldm.get_velocity(x0, eps, at)), "snr": listed(compute_snr(ldm, at)),
}
# Loss weights as diffusers' train_text_to_image.py (min-SNR) and jychoi118/P2-weighting write them, for eps and v.
# compute_snr is float32; the weights are worked out in float64.
snr = ldm.alphas_cumprod[at] / (1 - ldm.alphas_cumprod[at])
for gamma in (1.0, 5.0):
    clipped = torch.stack([snr, gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0]
    parametrisation[f"min_snr_{gamma:g}_epsilon"] = listed(clipped / snr)
    parametrisation[f"min_snr_{gamma:g}_velocity"] = listed(clipped / (snr + 1))
    parametrisation[f"p2_{gamma:g}_epsilon"] = listed(1 / (1.0 + snr) ** gamma)

# k-diffusion's DiscreteSchedule: t_to_sigma interpolates log sigma linearly, sigma_to_t is its inverse.
bars = ldm.alphas_cumprod.numpy()
log_sigma = np.log(((1 - bars) / bars) ** 0.5)
positions = [0.0, 0.25, 17.5, 500.125, 998.9, 999.0]
between = {"position": positions, "sigma": listed(np.exp(np.interp(positions, np.arange(1000), log_sigma)))}
sigmas = [0.05, 0.5, 3.0, 40.0]
inverse = {"sigma": sigmas, "position": listed(np.interp(np.log(sigmas), log_sigma, np.arange(1000)))}

print(json.dumps({
    "source": "diffusers 0.42.1, torch 2.11.0, scipy; see make_diffusers.py", "index": AT, "tables": tables,
    "laplace_square_root": listed(laplace[AT[:-1]]), "exact": exact, "timesteps": timesteps, "quadratic": quadratic,
    "edm_sigmas": listed(edm.sigmas), "karras_sigmas": listed(karras), "euler_karras_sigmas": listed(euler.sigmas),
    "euler_karras_timesteps": listed(euler.timesteps),
    "parametrisation": parametrisation, "between": between, "inverse": inverse,
}))
