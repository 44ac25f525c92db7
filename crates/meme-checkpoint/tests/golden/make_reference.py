"""Writes reference.safetensors with the reference implementation (PyPI: safetensors, torch).

Every element type this crate knows, a scalar, an empty tensor, names that need escaping, metadata.
"""

import torch
from safetensors.torch import save_file

values = torch.tensor([-2.5, 0.0, 0.1, 1.0, 65504.0, 3.0])
tensors = {
    "f64": values.double().reshape(2, 3),
    "f32": values.reshape(3, 2).clone(),
    "f16": values.half(),
    "bf16": values.bfloat16(),
    "i64": torch.tensor([[-(2**63)], [2**63 - 1]]),
    "i32": torch.tensor([-(2**31), 2**31 - 1, 7], dtype=torch.int32),
    "i16": torch.tensor([-(2**15), 2**15 - 1, 7], dtype=torch.int16),
    "i8": torch.tensor([-128, 127, 7], dtype=torch.int8),
    "u8": torch.tensor([0, 255, 7], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(0.5),
    "empty": torch.zeros(0, 4),
    'quoted " \\ \u00e9\n': torch.tensor([1.0, 2.0]),
}
save_file(tensors, "reference.safetensors", metadata={"source": "safetensors for Python"})
