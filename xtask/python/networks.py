"""The denoisers in plain PyTorch, from the same descriptions and under the same parameter names as meme-blocks.

Written as one would write them for PyTorch: its own modules, its fused attention, nothing clever. They exist to be
timed beside ours; `check.py` compares them with the golden vectors first.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel, **options):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def zero(module):
    """Starts as zero, as the last layer of every residual branch does."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def enlarge(x, factor, size):
    """Each pixel factor x factor times, cut to size."""
    x = F.interpolate(x, scale_factor=float(factor), mode="nearest")
    return x if tuple(x.shape[2:]) == tuple(size) else x[:, :, : size[0], : size[1]]


class Residual(nn.Module):
    def __init__(self, a, inputs, outputs):
        super().__init__()
        groups = a["norm_groups"]
        self.norm_in = nn.GroupNorm(groups, inputs)
        self.conv_in = conv(inputs, outputs, 3)
        self.embedding = nn.Linear(4 * a["width"], outputs)
        self.norm_out = nn.GroupNorm(groups, outputs)
        self.conv_out = zero(conv(outputs, outputs, 3))
        self.skip = None if inputs == outputs else conv(inputs, outputs, 1)

    def forward(self, x, embedding):
        h = self.conv_in(F.silu(self.norm_in(x)))
        h = h + self.embedding(embedding)[:, :, None, None]
        h = self.conv_out(F.silu(self.norm_out(h)))
        return h + (x if self.skip is None else self.skip(x))


class Attention(nn.Module):
    def __init__(self, a, channels):
        super().__init__()
        self.head_dim = a["head_dim"]
        self.norm = nn.GroupNorm(a["norm_groups"], channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.projection = zero(nn.Linear(channels, channels))

    def forward(self, x):
        b, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        qkv = self.qkv(tokens).view(b, h * w, c // self.head_dim, 3, self.head_dim)
        q, k, v = qkv.transpose(1, 2).unbind(3)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.projection(mixed).transpose(1, 2).reshape(b, c, h, w)


class High(nn.Module):
    """One half of the channels convolved, the other pooled; both doubled."""

    def __init__(self, channels):
        super().__init__()
        self.expand = conv(channels // 2, channels, 1, bias=False)
        self.depthwise = conv(channels, channels, 3, groups=channels, bias=False)
        self.pooled = conv(channels // 2, channels, 1)

    def forward(self, convolved, pooled):
        convolved = F.gelu(self.depthwise(self.expand(convolved)))
        return convolved, F.gelu(self.pooled(F.max_pool2d(pooled, 3, 1, 1)))


class Low(nn.Module):
    """Attention over a pooled map."""

    def __init__(self, channels, head_dim, pool, kind):
        super().__init__()
        self.head_dim, self.pool, self.kind = head_dim, pool, kind
        self.qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x):
        b, c, height, width = x.shape
        if self.pool > 1 and self.kind == "average":
            x = F.avg_pool2d(x, self.pool, ceil_mode=True, count_include_pad=False)
        elif self.pool > 1:
            x = F.max_pool2d(x, self.pool, ceil_mode=True)
        h, w = x.shape[2:]
        qkv = self.qkv(x.flatten(2).transpose(1, 2)).view(b, h * w, 3, c // self.head_dim, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        x = x.transpose(1, 2).reshape(b, c, h, w)
        return enlarge(x, self.pool, (height, width)) if self.pool > 1 else x


class FeedForward(nn.Module):
    def __init__(self, channels, ratio, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.expand = conv(channels, ratio * channels, 1)
        self.contract = zero(conv(ratio * channels, channels, 1))

    def forward(self, x):
        return x + self.contract(F.gelu(self.expand(self.norm(x))))


class Mixer(nn.Module):
    """iFormer's inception mixer behind a norm, on a residual branch."""

    def __init__(self, channels, head_dim, high_heads, pool, kind, groups, feed_forward=0):
        super().__init__()
        high = high_heads * head_dim
        low = channels - high
        self.parts = [high // 2, high // 2, low]
        self.norm = nn.GroupNorm(groups, channels)
        self.high = High(high) if high else None
        self.low = Low(low, head_dim, pool, kind) if low else None
        self.fuse = conv(2 * high + low, 2 * high + low, 3, groups=2 * high + low, bias=False)
        self.projection = zero(conv(2 * high + low, channels, 1))
        self.feed_forward = FeedForward(channels, feed_forward, groups) if feed_forward else None

    def mix(self, x):
        convolved, pooled, attended = x.split(self.parts, 1)
        parts = []
        if self.high is not None:
            parts += self.high(convolved, pooled)
        if self.low is not None:
            parts.append(self.low(attended))
        u = torch.cat(parts, 1)
        return self.projection(u + self.fuse(u))

    def forward(self, x):
        x = x + self.mix(self.norm(x))
        return x if self.feed_forward is None else self.feed_forward(x)


def mixing(a, kind, stage):
    """What follows a residual block at a level, or at "middle"; by name."""
    middle = stage == "middle"
    channels = a["width"] * a["channel_mult"][-1 if middle else stage]
    if kind == "attention":
        return {kind: Attention(a, channels)}
    if kind == "mixer":
        table = a["mixer"]
        for field in "high_element", "low_element":
            if field in table:
                raise ValueError(f"the networks in PyTorch have no {field}")
        high = table["middle_high_heads"] if middle else table["high_heads"][stage]
        pool = table.get("middle_pool", 1) if middle else table["pool"][stage]
        pool_kind = table.get("pool_kind", "average")
        if not isinstance(pool_kind, str):
            pool_kind = pool_kind[-1 if middle else stage]
        if middle:
            pool_kind = table.get("middle_pool_kind") or pool_kind
        feed_forward = table.get("feed_forward", 0)
        return {kind: Mixer(channels, a["head_dim"], high, pool, pool_kind, a["norm_groups"], feed_forward)}
    return {}


class Block(nn.Module):
    """A residual block and what mixes positions after it."""

    def __init__(self, a, inputs, outputs, kind, level):
        super().__init__()
        self.residual = Residual(a, inputs, outputs)
        self.kind = kind
        for name, module in mixing(a, kind, level).items():
            setattr(self, name, module)

    def forward(self, x, embedding):
        x = self.residual(x, embedding)
        return x if self.kind == "none" else getattr(self, self.kind)(x)


# What descriptions can say besides, and the only value of it that is here.
PLAIN = {
    "heads": 0,
    "transformer": None,
    "dropout": 0,
    "scale_shift_norm": False,
    "resampling": "convolution",
    "classes": 0,
    "learned_sigma": False,
}


class UNet(nn.Module):
    """[B, C, H, W] and indices [B] to a prediction of the same size."""

    def __init__(self, a):
        super().__init__()
        for field, plain in PLAIN.items():
            if a.get(field, plain) != plain:
                raise ValueError(f"the networks in PyTorch have no {field} but {plain}")
        a = {"norm_groups": 32, **a}
        self.a, self.width = a, a["width"]
        wide = [a["width"] * mult for mult in a["channel_mult"]]
        levels = range(len(wide))
        self.time = nn.ModuleDict(
            {"hidden": nn.Linear(self.width, 4 * self.width), "output": nn.Linear(4 * self.width, 4 * self.width)}
        )
        self.stem = conv(a["in_channels"], self.width, 3)
        channels, skips = self.width, [self.width]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level in levels:
            parts = nn.ModuleDict()
            for block in range(a["res_blocks"]):
                parts[str(block)] = Block(a, channels, wide[level], a["encoder"][level], level)
                channels = wide[level]
                skips.append(channels)
            if level + 1 < len(wide):
                parts["down"] = conv(channels, channels, 3, stride=2)
                skips.append(channels)
            self.encoder.append(parts)
        self.middle = nn.ModuleDict({"first": Residual(a, channels, channels)})
        self.middle.update(mixing(a, a["middle"], "middle"))
        self.middle["last"] = Residual(a, channels, channels)
        for level in reversed(levels):
            parts = nn.ModuleDict()
            for block in range(a["res_blocks"] + 1):
                parts[str(block)] = Block(a, channels + skips.pop(), wide[level], a["decoder"][level], level)
                channels = wide[level]
            if level > 0:
                parts["up"] = conv(channels, channels, 3)
            self.decoder.insert(0, parts)
        self.output = nn.ModuleDict(
            {"norm": nn.GroupNorm(a["norm_groups"], wide[0]), "conv": zero(conv(wide[0], a["out_channels"], 3))}
        )

    def embed(self, indices):
        half = self.width // 2
        frequencies = torch.exp(-math.log(10000.0) / half * torch.arange(half, device=indices.device))
        angles = indices[:, None].float() * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], 1).to(self.stem.weight.dtype)
        return F.silu(self.time["output"](F.silu(self.time["hidden"](waves))))

    def forward(self, x, indices):
        embedding = self.embed(indices)
        h = self.stem(x)
        skips = [h]
        for level in self.encoder:
            for name, part in level.items():
                h = part(h) if name == "down" else part(h, embedding)
                skips.append(h)
        h = self.middle["first"](h, embedding)
        if self.a["middle"] != "none":
            h = self.middle[self.a["middle"]](h)
        h = self.middle["last"](h, embedding)
        for level in reversed(self.decoder):
            for name, part in level.items():
                if name == "up":
                    h = part(enlarge(h, 2, skips[-1].shape[2:]))
                else:
                    h = part(torch.cat([h, skips.pop()], 1), embedding)
        return self.output["conv"](F.silu(self.output["norm"](h)))


def diffusers_config(a):
    """The same network as a configuration of diffusers' UNet2DModel; None where it has none."""
    kinds = [*a["encoder"], *a["decoder"], a["middle"]]
    if "mixer" in kinds or a["middle"] != "attention":
        return None
    return {
        "in_channels": a["in_channels"],
        "out_channels": a["out_channels"],
        "block_out_channels": [a["width"] * mult for mult in a["channel_mult"]],
        "down_block_types": ["AttnDownBlock2D" if kind == "attention" else "DownBlock2D" for kind in a["encoder"]],
        "up_block_types": ["AttnUpBlock2D" if kind == "attention" else "UpBlock2D" for kind in a["decoder"][::-1]],
        "layers_per_block": a["res_blocks"],
        "attention_head_dim": a["head_dim"],
        "norm_num_groups": a.get("norm_groups", 32),
        "norm_eps": 1e-5,
        "resnet_time_scale_shift": "default",
        "downsample_type": "conv",
        "upsample_type": "conv",
        "center_input_sample": False,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "downsample_padding": 1,
        "add_attention": True,
    }


class Diffusers(nn.Module):
    """diffusers' UNet2DModel, called as the others are."""

    def __init__(self, a):
        super().__init__()
        from diffusers import UNet2DModel

        config = diffusers_config(a)
        if config is None:
            raise ValueError("diffusers' UNet2DModel has no such network")
        self.unet = UNet2DModel(**config)

    def forward(self, x, indices):
        return self.unet(x, indices, return_dict=False)[0]
