"""The networks of `networks.py` against golden vectors that neither they nor meme-blocks made."""

import json
from pathlib import Path

import torch
from safetensors import safe_open

from networks import Diffusers, Mixer, UNet, diffusers_config


class Golden:
    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        self.weights = {name[8:]: value for name, value in tensors.items() if name.startswith("weights.")}
        self.tensors = {name: value for name, value in tensors.items() if not name.startswith("weights.")}


def difference(a, b):
    """max |a - b| / max |b|"""
    return ((a - b).abs().max() / b.abs().max()).item()


def compare(name, golden, forward, tolerance):
    """Output, and where the file has it the gradient of the sum of its squares, in float64."""
    x = golden.tensors["input"].double().requires_grad_()
    output = forward(x)
    found = {"output": difference(output, golden.tensors["output"].double())}
    expected = golden.tensors.get("grad_input_of_sum_of_squares")
    if expected is not None:
        output.square().sum().backward()
        found["gradient"] = difference(x.grad, expected.double())
    for what, error in found.items():
        # "not below" also catches NaN.
        if not error < tolerance:
            raise SystemExit(f"{name}: the {what} is off by {error:.1e} of its largest value, more than {tolerance:.0e}")
    return f"{name}: " + ", ".join(f"{what} within {error:.1e}" for what, error in found.items())


def compvis_names(a):
    """Our place of each of CompVis' modules."""
    blocks, levels = a["res_blocks"], len(a["channel_mult"])
    names = {"input_blocks.0.0": "stem", "time_embed.0": "time.hidden", "time_embed.2": "time.output"}
    for level in range(levels):
        for block in range(blocks):
            at = 1 + level * (blocks + 1) + block
            names[f"input_blocks.{at}.0"] = f"encoder.{level}.{block}.residual"
            names[f"input_blocks.{at}.1"] = f"encoder.{level}.{block}.attention"
        names[f"input_blocks.{(level + 1) * (blocks + 1)}.0.op"] = f"encoder.{level}.down"
        for block in range(blocks + 1):
            at = (levels - 1 - level) * (blocks + 1) + block
            names[f"output_blocks.{at}.0"] = f"decoder.{level}.{block}.residual"
            names[f"output_blocks.{at}.1"] = f"decoder.{level}.{block}.attention"
            for place in (1, 2):
                names[f"output_blocks.{at}.{place}.conv"] = f"decoder.{level}.up"
    names |= {"middle_block.0": "middle.first", "middle_block.1": "middle.attention", "middle_block.2": "middle.last"}
    return names | {"out.0": "output.norm", "out.2": "output.conv"}


COMPVIS_PARTS = {
    "in_layers.0": "norm_in",
    "in_layers.2": "conv_in",
    "emb_layers.1": "embedding",
    "out_layers.0": "norm_out",
    "out_layers.3": "conv_out",
    "skip_connection": "skip",
    "proj_out": "projection",
}
IFORMER_PARTS = {
    "high_mixer.conv1": "high.expand",
    "high_mixer.proj1": "high.depthwise",
    "high_mixer.proj2": "high.pooled",
    "low_mixer.qkv": "low.qkv",
    "conv_fuse": "fuse",
    "proj": "projection",
}


def from_compvis(a, weights):
    """CompVis' state dictionary under our names; its attention's linear layers are one-dimensional convolutions."""
    names, ours = compvis_names(a), {}
    for theirs, value in weights.items():
        place = max((known for known in names if theirs.startswith(known + ".")), key=len)
        part, kind = theirs[len(place) + 1 :].rpartition(".")[::2]
        part = COMPVIS_PARTS.get(part, part)
        name = ".".join(word for word in (names[place], part, kind) if word)
        ours[name] = value.squeeze(-1) if value.dim() == 3 else value
    return ours


def check(folder):
    """Compares everything; yields a line for each file."""
    folder = Path(folder)
    for path in sorted(folder.glob("inception_mixer_*.safetensors")):
        golden = Golden(path)
        number = lambda key: int(golden.metadata[key])
        heads, channels = number("num_heads"), number("dim")
        mixer = Mixer(channels, channels // heads, heads - number("attention_head"), number("pool_size"), "average", 1)
        state = {}
        for name, value in golden.weights.items():
            part, kind = name.rpartition(".")[::2]
            state[f"{IFORMER_PARTS[part]}.{kind}"] = value
        # The golden mixer stands without the norm in front of it.
        state |= {f"norm.{kind}": value for kind, value in mixer.norm.state_dict().items()}
        mixer.load_state_dict(state)
        yield compare(path.name, golden, mixer.double().mix, 1e-6)

    golden = Golden(folder / "ldm_unet_tiny.safetensors")
    a = {"in_channels": 3, "out_channels": 3, "width": 32, "channel_mult": [1, 2], "res_blocks": 1, "head_dim": 32}
    a |= {"encoder": ["none", "attention"], "middle": "attention", "decoder": ["none", "attention"]}
    unet = UNet(a)
    unet.load_state_dict(from_compvis(a, golden.weights))
    # CompVis computed in float32.
    yield compare("ldm_unet_tiny.safetensors", golden, at(unet, golden), 1e-4)

    for path in sorted(folder.glob("inception_unet_*.safetensors")):
        golden = Golden(path)
        unet = UNet(json.loads(golden.metadata["architecture"]))
        unet.load_state_dict(golden.weights)
        # The golden embedding's sines and cosines are float64's, ours float32's as everywhere.
        yield compare(path.name, golden, at(unet, golden), 1e-5)

    yield check_diffusers(folder / "diffusers_ldm.safetensors")


def at(unet, golden):
    unet = unet.double()
    return lambda x: unet(x, golden.tensors["timesteps"])


def check_diffusers(path):
    golden = Golden(path)
    a = json.loads(golden.metadata["architecture"])
    config, ours = json.loads(golden.metadata["config"]), diffusers_config(a)
    if config != ours:
        raise SystemExit(f"{path.name}: diffusers' configuration should be {config}, it is {ours}")
    try:
        network = Diffusers(a)
    except ImportError as error:
        return f"{path.name}: diffusers is not installed ({error})"
    network.unet.load_state_dict(golden.weights)
    return compare(path.name, golden, at(network, golden), 1e-4)
