# The Python side of against_python.rs: one round a line of standard input, seconds back.
import sys
import time

weights = sys.argv[1]
threads, batch, side, features, rows = map(int, sys.argv[2:])

import numpy as np
import torch
from pytorch_fid import inception
from scipy import linalg

torch.set_num_threads(threads)
inception.load_state_dict_from_url = lambda *_, **__: torch.load(weights)
network = inception.InceptionV3([3]).eval()
images = torch.rand(batch, 3, side, side)
sets = None


def covariance(seed):
    return np.cov(np.random.default_rng(seed).standard_normal((rows, features)), rowvar=False)


for line in sys.stdin:
    if line.strip() == "frechet":
        sets = sets or (covariance(0), covariance(1))
        start = time.perf_counter()
        root = linalg.sqrtm(sets[0] @ sets[1])
        np.trace(sets[0]) + np.trace(sets[1]) - 2 * np.trace(root.real)
    else:
        start = time.perf_counter()
        with torch.no_grad():
            network(images)[0].squeeze(3).squeeze(2).numpy()
    print(time.perf_counter() - start, flush=True)
