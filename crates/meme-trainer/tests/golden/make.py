"""Writes rates.json: learning rates of PyTorch's own schedulers, one for each update.

Run with torch 2.11: python make.py
"""

import json
import math
import pathlib

import torch

RATE, BATCH = 0.01, 10


def rates(updates, make):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.AdamW([parameter], lr=RATE)
    scheduler = make(optimizer)
    found = []
    for _ in range(updates):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def main():
    schedulers = torch.optim.lr_scheduler
    cases = {
        # 400 images constant, then 600 in which the rate falls.
        "linear": rates(100, lambda o: schedulers.SequentialLR(
            o, [schedulers.ConstantLR(o, factor=1.0), schedulers.LinearLR(o, 1.0, 0.0, 60)], [40])),
        "cosine": rates(100, lambda o: schedulers.SequentialLR(
            o, [schedulers.ConstantLR(o, factor=1.0), schedulers.CosineAnnealingLR(o, 60)], [40])),
        # EDM2's formula (NVlabs/edm2, training_loop.py, learning_rate_schedule), constant for 300 images.
        "inverse-sqrt": rates(100, lambda o: schedulers.LambdaLR(
            o, lambda update: 1 / math.sqrt(max(update * BATCH / 300, 1)))),
        # 200 images of warm-up to the full rate.
        "warm-up": rates(100, lambda o: schedulers.LinearLR(o, 1 / 20, 1.0, 19)),
    }
    path = pathlib.Path(__file__).with_name("rates.json")
    path.write_text(json.dumps({"rate": RATE, "batch": BATCH, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
