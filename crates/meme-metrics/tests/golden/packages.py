"""Makes packages.safetensors and the .npz files beside it, from the packages that people measure with.

pip install torch==2.11.0 torchvision==0.26.0 pytorch-fid==0.3.0 torch-fidelity==0.4.0 clean-fid==0.1.35 \
    prdc==0.2 scipy==1.17.1 safetensors pillow

python packages.py FOLDER: writes the golden files there, and inception-{zip,legacy}.pth, which are large and
stay out of the repository. Weights and pictures follow from integer arithmetic, so that the Rust tests make
the same ones; no trained weights are needed or downloaded.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def unit(name, count):
    """`count` numbers in [0, 1): the top 24 bits of splitmix64 over (FNV-1a of the name, index)."""
    key = 0x811C9DC5
    for byte in name.encode():
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        z = (np.uint64(key) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


def weights(template):
    state = {}
    for name, tensor in template.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        u = unit(name, tensor.numel())
        if name.endswith("bn.weight"):
            values = 0.75 + 0.5 * u
        elif name.endswith("bn.running_var"):
            values = 0.5 + u
        elif tensor.dim() == 1:
            values = 0.4 * u - 0.2
        else:
            fan_in = tensor.numel() // tensor.shape[0]
            values = (2.0 * u - 1.0) * np.sqrt(6.0 / fan_in)
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)
    return state


def pictures(count, height, width):
    """Bytes [count, 3, height, width]: slanted ramps with noise."""
    n, c, y, x = np.meshgrid(*(np.arange(s) for s in (count, 3, height, width)), indexing="ij")
    ramp = (x * 3 * (c + 1) + y * (5 + n)) % 512
    ramp = np.where(ramp < 256, ramp, 511 - ramp)
    noise = (unit(f"{count}x{height}x{width}", ramp.size) * 256).astype(np.int64).reshape(ramp.shape)
    return ((3 * ramp + noise) // 4).astype(np.uint8)


def samples(array, count=64):
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat[:: flat.size // count][:count].astype(np.float32)


def main(folder):
    import pytorch_fid.inception as theirs
    import torch_fidelity.feature_extractor_inceptionv3 as fidelity
    from cleanfid.resize import make_resizer
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    out = {}
    holder = {}

    def give(*_, **__):
        return holder["state"]

    # The packages ask the network for their weights; they get ours.
    fidelity.load_state_dict_from_url = lambda *a, **k: {}
    original = fidelity.FeatureExtractorInceptionV3.load_state_dict
    fidelity.FeatureExtractorInceptionV3.load_state_dict = lambda self, state: None
    network = fidelity.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"])
    fidelity.FeatureExtractorInceptionV3.load_state_dict = original
    holder["state"] = weights(network.state_dict())
    network.load_state_dict(holder["state"])
    theirs.load_state_dict_from_url = give
    pytorch = theirs.InceptionV3([3]).eval()
    torch.save(holder["state"], folder / "inception-zip.pth")
    torch.save(holder["state"], folder / "inception-legacy.pth", _use_new_zipfile_serialization=False)

    stages = {}

    def watch(prefix, name):
        def hook(_module, _input, output):
            stages[f"{prefix}.{name}"] = samples(output.detach().numpy())
        return hook

    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3",
             "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d",
             "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c"]
    small, large = pictures(2, 24, 40), pictures(1, 400, 330)
    hooks = [getattr(network, n).register_forward_hook(watch("torch-fidelity", n)) for n in names]
    with torch.no_grad():
        features, logits = network(torch.from_numpy(small))
    for hook in hooks:
        hook.remove()
    out["features.legacy.small"], out["logits"] = features.numpy(), logits.numpy()
    pools = (torch.nn.MaxPool2d, torch.nn.AdaptiveAvgPool2d)
    flat = [m for block in pytorch.blocks for m in block if not isinstance(m, pools)]
    assert len(flat) == len(names)
    for module, name in zip(flat, names):
        module.register_forward_hook(watch("pytorch-fid", name))

    def clean(images, kind="bicubic"):
        resize = make_resizer("PIL", False, kind, (299, 299))
        return np.stack([resize(image.transpose(1, 2, 0)) for image in images]).transpose(0, 3, 1, 2)

    def layers(x):
        for name in names:
            x = getattr(network, name)(x)
            if name == "Conv2d_2b_3x3":
                x = network.MaxPool_1(x)
            elif name == "Conv2d_4a_3x3":
                x = network.MaxPool_2(x)
        return network.AvgPool(x).flatten(1).numpy()

    with torch.no_grad():
        for label, images in (("large", large), ("small", small)):
            if label == "large":
                out["features.legacy.large"] = network(torch.from_numpy(images))[0].numpy()
            unit_range = torch.from_numpy(images).float() / 255
            out[f"features.pytorch-fid.{label}"] = pytorch(unit_range)[0][:, :, 0, 0].numpy()
            resized = clean(images)
            out[f"features.clean.{label}"] = layers((torch.from_numpy(resized.copy()) - 128) / 128)
            for kind in ("bicubic", "lanczos"):
                out[f"resize.{kind}.{label}"] = samples(clean(images, kind), 5000)
            tensorflow = interpolate_bilinear_2d_like_tensorflow1x(
                torch.from_numpy(images).float(), size=(299, 299), align_corners=False)
            out[f"resize.legacy.{label}"] = samples(tensorflow.numpy(), 5000)
    out.update(stages)

    metadata = distances(folder, out)
    shapes = {n: list(t.shape) for n, t in holder["state"].items() if t.dim() > 0}
    metadata["shapes"] = json.dumps(shapes, separators=(",", ":"))
    save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, folder / "packages.safetensors", metadata)


def distances(folder, out):
    from prdc import compute_prdc
    from scipy import linalg
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    # Two sets of 150 and 170 rows of 24 features that are neither independent nor of equal scale.
    a, b = unit("features a", 150 * 24).reshape(150, 24), unit("features b", 170 * 24).reshape(170, 24)
    mix = unit("mix", 24 * 24).reshape(24, 24) - 0.4
    a, b = ((a - 0.5) @ mix).astype(np.float32), ((b - 0.5) @ (1.1 * mix) + 0.1).astype(np.float32)
    out["a"], out["b"] = a, b
    first, second = (fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (a, b))
    mu, sigma = first["mu"], first["sigma"]
    np.savez_compressed(folder / "pytorch_fid.npz", mu=mu, sigma=sigma)
    np.savez(folder / "stored_fortran_float32.npz", sigma=np.asfortranarray(sigma.astype(">f4")), mu=mu.astype("<f4"))
    np.savez(folder / "feats.npz", feats=a)
    root = linalg.sqrtm(sigma @ second["sigma"])
    by_scipy = float(np.sum((mu - second["mu"]) ** 2) + np.trace(sigma) + np.trace(second["sigma"])
                     - 2 * np.trace(root.real))
    kid = kid_features_to_metric(
        torch.from_numpy(a[:150].astype(np.float64)), torch.from_numpy(b[:150].astype(np.float64)), kid_subsets=2,
        kid_subset_size=150, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1, rng_seed=0, verbose=False)
    subsets = kid_features_to_metric(
        torch.from_numpy(a.astype(np.float64)), torch.from_numpy(b.astype(np.float64)), kid_subsets=4000,
        kid_subset_size=50, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1, rng_seed=0, verbose=False)
    scores = torch.from_numpy((unit("logits", 90 * 12).reshape(90, 12) * 6).astype(np.float32))
    out["scores"] = scores.numpy()
    score = isc_features_to_metric(scores, splits=7, shuffle=False)
    prdc = compute_prdc(real_features=a.astype(np.float64), fake_features=b.astype(np.float64), nearest_k=5)
    precision, recall = calculate_precision_recall_full(
        torch.from_numpy(b.astype(np.float64)), torch.from_numpy(a.astype(np.float64)), neighborhood=5)
    return {key: repr(float(value)) for key, value in {
        "frechet.scipy": by_scipy,
        "frechet.torch-fidelity": fid_statistics_to_metric(first, second, False)["frechet_inception_distance"],
        "frechet.pytorch-fid": pytorch_fid_distance(mu, sigma, second),
        "kid.all": kid["kernel_inception_distance_mean"],
        "kid.subset_mean": subsets["kernel_inception_distance_mean"],
        "kid.subset_deviation": subsets["kernel_inception_distance_std"],
        "isc.mean": score["inception_score_mean"],
        "isc.deviation": score["inception_score_std"],
        "prdc.precision": prdc["precision"], "prdc.recall": prdc["recall"],
        "prdc.density": prdc["density"], "prdc.coverage": prdc["coverage"],
        "prc.precision": precision, "prc.recall": recall,
    }.items()}


def pytorch_fid_distance(mu, sigma, second):
    """pytorch-fid 0.3.0 asks scipy for an error estimate that scipy no longer gives."""
    import pytorch_fid.fid_score as score

    sqrtm = score.linalg.sqrtm
    try:
        score.linalg.sqrtm = lambda matrix, disp=True: (sqrtm(matrix), 0.0)
        return score.calculate_frechet_distance(mu, sigma, second["mu"], second["sigma"])
    finally:
        score.linalg.sqrtm = sqrtm


if __name__ == "__main__":
    main(Path(sys.argv[1]))
