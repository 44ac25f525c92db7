"""Writes conditional_counts.json and the goldens of conditional networks, from other people's code.

    python make.py LATENT_DIFFUSION GUIDED_DIFFUSION

The two arguments are checkouts of CompVis/latent-diffusion (at a506df5) and openai/guided-diffusion (at 22e0df8).
Needs torch 2.11.0, diffusers 0.35.2, safetensors, einops, omegaconf and pillow; a minute on one core.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

latent_diffusion, guided_diffusion = sys.argv[1:3]
sys.path[:0] = [latent_diffusion, guided_diffusion]

import guided_diffusion.nn
import ldm.modules.diffusionmodules.util
from diffusers import UNet2DConditionModel
from guided_diffusion.script_util import create_model, model_and_diffusion_defaults
from guided_diffusion.unet import UNetModel as GuidedUNet
from ldm.modules.diffusionmodules.openaimodel import UNetModel as LatentUNet

HERE = Path(__file__).parent

# Their norms cast to float32 and back; here everything is to be float64.
for module in guided_diffusion.nn, ldm.modules.diffusionmodules.util:
    module.GroupNorm32.forward = torch.nn.GroupNorm.forward


def stir(module, seed):
    """Weights of which none is without effect; exact in bfloat16, in which they are stored."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() > 1:
                p.copy_(noise * (1.5 / p[0].numel() ** 0.5))
            else:
                p.copy_(noise * 0.3 + (1 if name.endswith("weight") else 0))
            p.copy_(p.bfloat16())


def golden(file, modules, forward, inputs, architecture, source, keep):
    """Output and gradients of the sum of its squares; `keep` says which weights' gradients are stored."""
    for seed, module in enumerate(modules.values()):
        stir(module, 17 + seed)
        module.double()
        if hasattr(module, "time_embed"):
            module.time_embed.register_forward_pre_hook(lambda _, waves: waves[0].double())
    x = inputs["input"]
    x.requires_grad_()
    if "context" in inputs:
        inputs["context"].requires_grad_()
    output = forward(inputs)
    output.double().square().sum().backward()
    tensors = {"output": output, "grad_input_of_sum_of_squares": x.grad}
    if "context" in inputs:
        tensors["grad_context_of_sum_of_squares"] = inputs["context"].grad
    tensors |= inputs
    for prefix, module in modules.items():
        for name, p in module.named_parameters():
            tensors[f"weights.{prefix}{name}"] = p
            if keep(name):
                tensors[f"gradients.{prefix}{name}"] = p.grad
    def stored(name, t):
        if not t.is_floating_point():
            return t
        return t.detach().to(torch.bfloat16 if name.startswith("weights.") else torch.float32).contiguous()

    save_file(
        {name: stored(name, t) for name, t in tensors.items()},
        HERE / file,
        {"source": source, "architecture": json.dumps(architecture)},
    )


def plain(**fields):
    return {"in_channels": 3, "out_channels": 3, "res_blocks": 1} | fields


def normal(*shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def goldens():
    torch.manual_seed(0)
    table = torch.nn.Embedding(6, 12)
    unet = LatentUNet(
        image_size=8, in_channels=3, out_channels=3, model_channels=32, num_res_blocks=1, channel_mult=(1, 1),
        attention_resolutions=(2,), num_heads=2, use_spatial_transformer=True, transformer_depth=1, context_dim=12,
        use_checkpoint=False,
    )
    unet.dtype = torch.float64
    for block in unet.modules():
        if hasattr(block, "checkpoint"):
            block.checkpoint = False
    golden(
        "compvis_class_context.safetensors",
        {"cond_stage_model.embedding.": table, "": unet},
        lambda i: unet(i["input"], i["timesteps"], context=table(i["classes"])[:, None]),
        {"input": normal(2, 3, 8, 4), "timesteps": torch.tensor([7, 901]), "classes": torch.tensor([5, 2])},
        plain(width=32, channel_mult=[1, 1], heads=2, encoder=["none", "transformer"], middle="transformer",
              decoder=["none", "transformer"], transformer={"context": 12}, classes=6, class_conditioning="context"),
        "UNetModel of CompVis/latent-diffusion at a506df5 with a class table as ClassEmbedder makes it, PyTorch 2.11.0, "
        "float64 but for its float32 sines",
        lambda name: "transformer_blocks" in name and name.startswith("middle") or name == "weight",
    )

    unet = UNet2DConditionModel(
        in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=12, attention_head_dim=(2, 4), transformer_layers_per_block=2, num_class_embeds=4,
    )
    golden(
        "diffusers_cross_attention.safetensors",
        {"": unet},
        lambda i: unet(i["input"], i["timesteps"], i["context"], class_labels=i["classes"]).sample,
        {"input": normal(2, 3, 9, 7), "timesteps": torch.tensor([3, 640]), "context": normal(2, 5, 12, seed=4),
         "classes": torch.tensor([3, 0])},
        plain(width=8, channel_mult=[1, 2], head_dim=4, norm_groups=4, encoder=["none", "transformer"],
              middle="transformer", decoder=["none", "transformer"], transformer={"context": 12, "depth": 2}, classes=4),
        "diffusers 0.35.2 UNet2DConditionModel, PyTorch 2.11.0, float64 but for its float32 time embedding",
        lambda name: "mid_block.attentions" in name or "norm" in name or name == "class_embedding.weight",
    )

    unet = GuidedUNet(
        image_size=8, in_channels=3, out_channels=6, model_channels=32, num_res_blocks=1, channel_mult=(1, 1),
        attention_resolutions=(2,), num_head_channels=16, use_scale_shift_norm=True, resblock_updown=True,
        num_classes=5, use_new_attention_order=True,
    )
    unet.dtype = torch.float64
    golden(
        "guided_diffusion.safetensors",
        {"": unet},
        lambda i: unet(i["input"], i["timesteps"], i["classes"]),
        {"input": normal(2, 3, 4, 8), "timesteps": torch.tensor([11, 555]), "classes": torch.tensor([4, 1])},
        plain(width=32, channel_mult=[1, 1], head_dim=16, encoder=["none", "attention"], middle="attention",
              decoder=["none", "attention"], scale_shift_norm=True, resampling="res-block", classes=5,
              learned_sigma=True),
        "UNetModel of openai/guided-diffusion at 22e0df8, PyTorch 2.11.0, float64 but for its float32 sines",
        lambda name: name.startswith("input_blocks.2") or "label" in name,
    )


def measure(name, module, arguments, extra_parameters=0):
    """Parameters and multiply-accumulates on the meta device: no numbers are computed."""
    for block in module.modules():
        for flag in ("checkpoint", "use_checkpoint"):
            if isinstance(getattr(block, flag, None), bool):
                setattr(block, flag, False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*arguments)
    flops = counter.get_flop_counts()["Global"]
    attention = sum(n for op, n in flops.items() if "bmm" in str(op) or "attention" in str(op))
    total = sum(flops.values())
    return {
        "name": name,
        "parameters": sum(p.numel() for p in module.parameters()) + extra_parameters,
        "macs": total // 2,
        "macs_without_attention": (total - attention) // 2,
    }


def counts():
    rows = []
    index = torch.zeros(1, dtype=torch.long, device="meta")
    with torch.device("meta"):
        for name, width in [("cin256", 192), ("cin256-96", 96)]:
            unet = LatentUNet(
                image_size=64, in_channels=3, out_channels=3, model_channels=width, num_res_blocks=2,
                channel_mult=(1, 2, 3, 5), attention_resolutions=(8, 4, 2), num_heads=1,
                use_spatial_transformer=True, transformer_depth=1, context_dim=512,
            )
            x, context = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 512)
            ours = measure(name, unet, (x, index, context), extra_parameters=1001 * 512)
            # CompVis' einsum leaves the product with the weights of a single token out; diffusers counts both.
            blocks = ("CrossAttnDownBlock2D",) * 3
            other = UNet2DConditionModel(
                in_channels=3, out_channels=3, block_out_channels=[width * m for m in (1, 2, 3, 5)],
                layers_per_block=2, down_block_types=("DownBlock2D", *blocks), attention_head_dim=1,
                up_block_types=tuple(b.replace("Down", "Up") for b in blocks) + ("UpBlock2D",),
                cross_attention_dim=512,
            )
            rows.append(measure(name, other, (x, index, context), extra_parameters=1001 * 512))
            for field in "parameters", "macs_without_attention":
                assert ours[field] == rows[-1][field], (ours, rows[-1])
        for name, flags in {
            "adm-64": dict(image_size=64, num_channels=192, num_head_channels=64, num_res_blocks=3,
                           use_new_attention_order=True, dropout=0.1),
            "adm-128": dict(image_size=128, num_channels=256, num_heads=4, num_res_blocks=2),
            "adm-256": dict(image_size=256, num_channels=256, num_head_channels=64, num_res_blocks=2),
        }.items():
            defaults = model_and_diffusion_defaults()
            known = {k: defaults[k] for k in create_model.__code__.co_varnames if k in defaults}
            size = flags["image_size"]
            unet = create_model(**known | dict(
                attention_resolutions="32,16,8", class_cond=True, learn_sigma=True, resblock_updown=True,
                use_scale_shift_norm=True) | flags)
            rows.append(measure(name, unet, (torch.zeros(1, 3, size, size), index, index)))
    text = json.dumps({"source": "make.py beside this file: networks of CompVis/latent-diffusion, diffusers 0.35.2 and "
                       "openai/guided-diffusion on PyTorch's meta device, torch.utils.flop_counter", "networks": rows},
                      indent=1)
    (HERE / "conditional_counts.json").write_text(text + "\n")
    print(text)


goldens()
counts()
