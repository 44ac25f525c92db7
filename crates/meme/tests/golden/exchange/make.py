"""Makes what `tests/exchange.rs` compares with: `python make.py` here, with PyTorch and diffusers installed.

With `--ffhq FOLDER` it writes into FOLDER, too, a checkpoint of LDM's FFHQ size (274 million random weights, with
VQ-f4) as diffusers writes it, and what diffusers makes of it, for the slow test.
"""

import argparse
import json
import pathlib
import shutil

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DModel, VQModel
from safetensors import safe_open
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
CRATES = HERE.parents[3]


def randomise(model, seed):
    """Every parameter from a normal distribution, so that no layer starts as zero and hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return model.eval()


def unet(channels, groups, head_dim, side, layers):
    levels = len(channels)
    return UNet2DModel(
        sample_size=side, in_channels=3, out_channels=3, block_out_channels=channels, layers_per_block=layers,
        down_block_types=["DownBlock2D"] + ["AttnDownBlock2D"] * (levels - 1),
        up_block_types=["AttnUpBlock2D"] * (levels - 1) + ["UpBlock2D"],
        norm_num_groups=groups, attention_head_dim=head_dim,
    )


def vq(channels, groups, codebook, layers, side):
    return VQModel(
        block_out_channels=channels, layers_per_block=layers, norm_num_groups=groups, num_vq_embeddings=codebook,
        latent_channels=3, vq_embed_dim=3, sample_size=side, scaling_factor=1.0,
        down_block_types=["DownEncoderBlock2D"] * len(channels), up_block_types=["UpDecoderBlock2D"] * len(channels),
    )


def scheduler():
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False,
    )


def write_pipeline(folder, network, first):
    network.save_pretrained(folder / "unet")
    first.save_pretrained(folder / "vqvae")
    scheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "LDMPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
        "vqvae": ["diffusers", "VQModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


@torch.no_grad()
def answers(network, first, side, batch, extra=None):
    """In float32, as users run it."""
    generator = torch.Generator().manual_seed(99)
    x = torch.randn(batch, 3, side, side, generator=generator)
    timesteps = torch.tensor([3, 700, 999][:batch])
    found = {"x": x, "timesteps": timesteps, "output": network(x, timesteps).sample}
    factor = 2 ** (len(first.config.block_out_channels) - 1)
    image = torch.rand(1, 3, side * factor, side * factor, generator=generator) * 2 - 1
    latent = first.encode(image).latents
    # A position may lie as far from two vectors as float32 can tell; a vector itself is nearest to itself alone.
    quantised = first.quantize(latent)[0]
    found |= {"image": image, "latent": latent, "quantised": quantised, "decoded": first.decode(quantised).sample}
    if extra is not None:
        moments = extra.encode(image).latent_dist.mean
        found |= {"kl_latent": moments * extra.config.scaling_factor, "kl_decoded": extra.decode(moments).sample}
    return {name: tensor.contiguous() for name, tensor in found.items()}


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) of a counter of four words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & 0xFFFFFFFF, (a >> 32) ^ c3 ^ k1, a & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def start_noise(image, shape):
    """What `meme sample` starts picture `image` of seed 0 from, by the words of `meme-random`'s documentation."""
    values = []
    for block in range(int(np.prod(shape)) // 2):
        words = philox((block, 9, image, 0), (0, 0))  # purpose 9, no expert
        u, v = ((words[i] | words[i + 1] << 32) >> 11 for i in (0, 2))
        radius, angle = np.sqrt(-2.0 * np.log(1.0 - u * 2.0**-53)), 2.0 * np.pi * v * 2.0**-53
        values += [radius * np.cos(angle), radius * np.sin(angle)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


@torch.no_grad()
def drawn(network, first, side, count, steps):
    """Pictures 0.. of seed 0, [count, 3, H, W] in [-1, 1], as `LDMPipeline` draws them: DDIM on LDM's grid."""
    ddim = DDIMScheduler.from_config(scheduler().config, steps_offset=1, set_alpha_to_one=False)
    ddim.set_timesteps(steps)
    x = torch.stack([start_noise(image, (3, side, side)) for image in range(count)])
    for timestep in ddim.timesteps:
        x = ddim.step(network(x, timestep).sample, timestep, x).prev_sample
    return first.decode(x / first.config.scaling_factor).sample.clamp(-1, 1).contiguous()


def weights(path):
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith("weights.")]
        return {name.removeprefix("weights."): file.get_tensor(name) for name in names}


def constants(number, shapes):
    """Tensors of one number, views of one storage, so that all of them take the room of the largest in the file."""
    storage = torch.full([max(tensor.numel() for tensor in shapes.values())], number)
    return {name: storage[: tensor.numel()].view(tensor.shape) for name, tensor in shapes.items()}


def compvis():
    """A checkpoint in the form of `ldm/models/diffusion/ddpm.py`: network, `LitEma`, first stage, schedule.

    Names and shapes are those of CompVis' own code, as in the golden files of the networks. The moving average has the
    weights that code was asked about; the network's own and the first stage's are constants, to keep the file small.
    """
    network = weights(CRATES / "meme-blocks/tests/golden/ldm_unet_tiny.safetensors")
    first = weights(CRATES / "meme-autoencoder/tests/golden/vq_tiny.safetensors")
    state = {f"model.diffusion_model.{name}": tensor for name, tensor in constants(0.25, network).items()}
    state |= {"model_ema." + f"diffusion_model.{name}".replace(".", ""): tensor for name, tensor in network.items()}
    state |= {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(635000)}
    state |= {f"first_stage_model.{name}": tensor for name, tensor in constants(0.125, first).items()}
    state["first_stage_model.loss.discriminator.main.0.weight"] = torch.zeros(2, 2)
    betas = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2
    state |= {"betas": betas.float(), "scale_factor": torch.tensor(1.0)}
    state["alphas_cumprod"] = torch.cumprod(1 - betas, 0).float()
    torch.save({"state_dict": state, "global_step": 635000, "epoch": 41, "callbacks": {}}, HERE / "ldm.ckpt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ffhq", type=pathlib.Path)
    ffhq = parser.parse_args().ffhq
    torch.manual_seed(0)
    if ffhq is not None:
        network = randomise(unet((224, 448, 672, 896), 32, 32, 64, 2), 1)
        first = randomise(vq((128, 256, 512), 32, 8192, 2, 256), 2)
        write_pipeline(ffhq / "pipeline", network, first)
        save_file(answers(network, first, 64, 1), ffhq / "expected.safetensors")
        save_file({"drawn": drawn(network, first, 64, 1, 4)}, ffhq / "drawn.safetensors")
        return
    for folder in ("pipeline", "sharded", "vae"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    network = randomise(unet((16, 32), 8, 8, 8, 1), 1)
    first = randomise(vq((16, 32), 8, 32, 1, 16), 2)
    write_pipeline(HERE / "pipeline", network, first)
    network.save_pretrained(HERE / "sharded", max_shard_size="150KB")
    kl = randomise(
        AutoencoderKL(
            block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, latent_channels=3, sample_size=16,
            down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
            up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"], scaling_factor=0.5,
        ),
        3,
    )
    kl.save_pretrained(HERE / "vae")
    save_file(answers(network, first, 8, 2, kl), HERE / "expected.safetensors")
    save_file({"drawn": drawn(network, first, 8, 2, 4)}, HERE / "drawn.safetensors")
    compvis()


if __name__ == "__main__":
    main()
