"""Writes torch_*.pt with PyTorch: what checkpoints on the internet look like, in small.

torch_zip.pt       the format since PyTorch 1.6, a trainer's checkpoint: nested, shared and
                   non-contiguous storage, parameters, optimizer state, a foreign class
torch_legacy.pt    the same as PyTorch wrote it before 1.6
torch_script.pt    a TorchScript module
torch_expected.safetensors   every tensor of the first, contiguous, under its dotted path
torch_optimizer.pt  state of an optimizer, with integer keys
"""

import collections
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(0)


class Callback:
    """Stands for whatever a training framework leaves in its checkpoints."""

    def __init__(self):
        self.best = 0.25


base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
state = collections.OrderedDict(
    {
        "model.weight": torch.nn.Parameter(torch.randn(3, 2)),
        "model.double": torch.randn(2, dtype=torch.float64),
        "model.half": torch.randn(3).half(),
        "model.brain": torch.randn(3).bfloat16(),
        "model.long": torch.tensor([-(2**63), 2**63 - 1]),
        "model.int": torch.tensor([1, -2], dtype=torch.int32),
        "model.short": torch.tensor([1, -2], dtype=torch.int16),
        "model.char": torch.tensor([1, -2], dtype=torch.int8),
        "model.byte": torch.tensor([1, 254], dtype=torch.uint8),
        "model.bool": torch.tensor([True, False]),
        "model.scalar": torch.tensor(7.5),
        "model.empty": torch.zeros(0, 3),
        "model.base": base,
        "model.transposed": base.t(),
        "model.slice": base[1:3, ::2],
        "model.tied": base,
    }
)
state._metadata = collections.OrderedDict({"": {"version": 1}})
checkpoint = {
    "epoch": 3,
    "global_step": 2**40,
    "loss": 0.1,
    "name": "caf\u00e9",
    "done": False,
    "nothing": None,
    "size": torch.Size([2, 3]),
    "raw": b"\x00\xff",
    "tags": {"a"},
    "state_dict": state,
    "callbacks": {Callback: {"best": torch.tensor(0.25)}, "object": Callback()},
    "schedule": [torch.tensor([1.0]), (torch.tensor([2.0]), 5)],
}
torch.save(checkpoint, "torch_zip.pt")
torch.save(checkpoint, "torch_legacy.pt", _use_new_zipfile_serialization=False)

expected = {f"state_dict.{name}": value.detach().clone().contiguous() for name, value in state.items()}
expected["schedule.0"] = torch.tensor([1.0])
expected["schedule.1.0"] = torch.tensor([2.0])
save_file(expected, "torch_expected.safetensors")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 1)
        self.register_buffer("mean", torch.tensor([0.5, -0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x - self.mean)


net = Net()
with torch.no_grad():
    net.inner.weight.copy_(torch.tensor([[1.0, 2.0]]))
    net.inner.bias.copy_(torch.tensor([3.0]))
torch.jit.script(net).save("torch_script.pt")

weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
optimizer = torch.optim.AdamW([weight], lr=0.5, betas=(0.0, 0.0))
(weight * torch.tensor([3.0, -4.0])).sum().backward()
optimizer.step()
torch.save(optimizer.state_dict(), "torch_optimizer.pt")
print({path.name: path.stat().st_size for path in pathlib.Path(".").glob("torch_*")})
