# The Python side of against_python.rs: one epoch a line of standard input, seconds back.
import pathlib
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

SIDE, BATCH = 256, 32
torch.set_num_threads(1)


class Pictures(Dataset):
    """JPEGs as [3, 256, 256] in -1..1: shorter side by Pillow's bilinear filter, the middle."""

    def __init__(self, folder):
        self.paths = sorted(pathlib.Path(folder).glob("*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        picture = Image.open(self.paths[index]).convert("RGB")
        if picture.size != (SIDE, SIDE):
            picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div_(127.5).sub_(1.0)


class Latents(Dataset):
    """Arrays of [3, 64, 64] in a mapped file."""

    def __init__(self, folder):
        self.values = np.memmap(pathlib.Path(folder) / "data.bin", "<f4", "r").reshape(-1, 3, 64, 64)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return torch.from_numpy(self.values[index].copy())


loaders = {}


def loader(kind, folder, workers):
    key = (kind, folder, workers)
    if key not in loaders:
        data = Latents(folder) if kind == "latents" else Pictures(folder)
        loaders[key] = DataLoader(
            data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
        )
    return loaders[key]


for line in sys.stdin:
    kind, folder, workers = line.split("\t")
    batches = loader(kind, folder, int(workers))
    start = time.perf_counter()
    count = sum(len(batch) for batch in batches)
    seconds = time.perf_counter() - start
    print(f"{count} {seconds}", flush=True)
