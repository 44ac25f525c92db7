"""Loads what `meme export` wrote with diffusers, and compares: `python check.py EXPORTED EXPECTED.safetensors`.

Prints the largest differences relative to the largest number, and fails above 1e-5.
"""

import pathlib
import sys

import torch
from diffusers import DDIMScheduler, UNet2DModel, VQModel
from safetensors.torch import load_file


@torch.no_grad()
def main():
    exported, expected = pathlib.Path(sys.argv[1]), load_file(sys.argv[2])
    network = UNet2DModel.from_pretrained(exported / "expert-1").eval()
    first = VQModel.from_pretrained(exported / "vqvae").eval()
    DDIMScheduler.from_pretrained(exported / "scheduler")
    found = {
        "output": network(expected["x"], expected["timesteps"]).sample,
        "latent": first.encode(expected["image"]).latents,
        "decoded": first.decode(expected["quantised"]).sample,
    }
    worst = 0.0
    for name, tensor in found.items():
        error = ((tensor - expected[name]).abs().max() / expected[name].abs().max()).item()
        print(f"{name}: {error:.1e}")
        worst = max(worst, error)
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
