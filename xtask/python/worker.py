"""One network in PyTorch, ready to be timed by whoever speaks the protocol of `cargo xtask bench`.

    python worker.py --check FOLDER    compares the networks with the golden vectors of that folder
    python worker.py                   takes a description on standard input, one JSON object on one line, then
                                       commands, one a line:

    run N     ->  seconds S1 ... SN    N passes or training steps, each timed alone
    memory    ->  bytes PEAK START     highest resident memory so far, and that before the network was made

The answer to the description is `ready PARAMETERS`, or `unavailable REASON` where this machine cannot do it. The end of
the input ends the program.
"""

import json
import os
import shutil
import sys
import time

# Answers go to the standard output that the program was started with; what libraries print goes to the other one.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

LEARNING_RATE = 8.4e-5
EMA_DECAY = 0.9999


class Unavailable(Exception):
    """This machine or this mode cannot be timed, and why."""


def forward(torch, network, description):
    """A function that runs one forward pass without gradients, in the mode that the description names."""
    mode = description["mode"]
    dtype, _, how = mode.removeprefix("diffusers-").partition("-")
    x = noise(torch, description)
    indices = torch.full((description["batch"],), 500)
    network.eval().requires_grad_(False)
    autocast = how == "autocast"
    if dtype == "bf16" and not autocast:
        network, x = network.bfloat16(), x.bfloat16()
    if how in ("autocast", "channels-last", "weights"):
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if how == "compiled":
        network = compiled(torch, network)

    def step():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            network(x, indices)

    return step


def compiled(torch, network):
    """torch.compile with weights as constants, folded and laid out in advance."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise Unavailable(f"torch.compile needs a C++ compiler, and there is no {compiler}")
    import torch._inductor.config as inductor

    inductor.freezing = True
    return torch.compile(network)


def training(torch, network, description):
    """One training step as one writes it for speed: channels-last, fused AdamW, the average in one call."""
    network = network.to(memory_format=torch.channels_last).train()
    parameters = list(network.parameters())
    averages = [parameter.detach().clone(memory_format=torch.preserve_format) for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, fused=True)
    images = noise(torch, description).clamp(-1, 1).to(memory_format=torch.channels_last)
    alpha_bar = torch.cumprod(1 - torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2, 0)
    signal, grain = (factor.sqrt().float()[:, None, None, None] for factor in (alpha_bar, 1 - alpha_bar))
    autocast = description["mode"] == "bf16-autocast"

    def step():
        indices = torch.randint(0, 1000, (description["batch"],))
        target = torch.randn_like(images)
        noisy = signal[indices] * images + grain[indices] * target
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            prediction = network(noisy, indices)
        loss = torch.nn.functional.mse_loss(prediction.float(), target)
        loss.backward()
        optimizer.step()
        torch._foreach_lerp_(averages, [parameter.detach() for parameter in parameters], 1 - EMA_DECAY)
        loss.item()

    return step


def noise(torch, description):
    shape = (description["batch"], description["architecture"]["in_channels"])
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, description["height"], description["width"], generator=generator)


def prepare(description):
    import torch

    import networks

    torch.set_num_threads(description["threads"])
    torch.manual_seed(0)
    start = resident("VmRSS")
    kind = networks.Diffusers if description["mode"].startswith("diffusers-") else networks.UNet
    try:
        network = kind(description["architecture"])
    except (ImportError, ValueError) as error:
        raise Unavailable(str(error)) from error
    parameters = sum(parameter.numel() for parameter in network.parameters())
    make = {"forward": forward, "train": training}[description["task"]]
    step = make(torch, network, description)
    # The first pass pays for allocation, for choosing kernels and for compiling.
    step()
    return step, parameters, start


def resident(key):
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(key + ":"))
    return 1024 * int(line.split()[1])


def serve():
    line = sys.stdin.readline()
    if not line:
        return
    try:
        step, parameters, start = prepare(json.loads(line))
    except Unavailable as reason:
        print("unavailable", " ".join(str(reason).split()), file=ANSWERS)
        return
    print("ready", parameters, file=ANSWERS)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "run":
            seconds = []
            for _ in range(int(rest[0])):
                clock = time.perf_counter()
                step()
                seconds.append(time.perf_counter() - clock)
            print("seconds", *(f"{second:.9f}" for second in seconds), file=ANSWERS)
        elif command == "memory":
            print("bytes", resident("VmHWM"), start, file=ANSWERS)
        else:
            raise SystemExit(f"there is no command {command!r}")


if __name__ == "__main__":
    # No folder of compiled modules beside the sources.
    sys.dont_write_bytecode = True
    if sys.argv[1:2] == ["--check"]:
        from check import check

        for said in check(sys.argv[2]):
            print(said, file=ANSWERS)
    else:
        serve()
