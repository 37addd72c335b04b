"""The mark beside Inkflow's quality: the same network and recipe, trained by PyTorch for as many minutes.

    PEERS/bin/python benchmarks/train_pytorch.py datasets/mnist outputs/pytorch --minutes 30
    inkflow sample outputs/pytorch --count 10000 --idx outputs/pytorch.idx
    inkflow evaluate --samples outputs/pytorch.idx mnist

PEERS is the virtual environment that `make peers` installs. The recipe is `quick-1`'s, but for batches of 64: AdamW, a rate that
rises and then falls to zero as half a cosine, averaged weights, gradients clipped to length 1. The number of steps is measured
once at the start, as Inkflow's --minutes does; --steps repeats a run of that length. OUTPUT is a diffusers directory of the
averaged weights.
"""
import argparse
import copy
import gzip
import json
import math
import pathlib
import time

import numpy as np
import torch

from peers import unet


def images(directory):
    path = pathlib.Path(directory) / "train-images-idx3-ubyte"
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    count, height, width = np.frombuffer(data, ">i4", 3, 4)
    pixels = np.frombuffer(data, np.uint8, offset=16).reshape(count, 1, height, width)
    return torch.from_numpy(pixels.copy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a directory with MNIST's files")
    parser.add_argument("output")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=30)
    length.add_argument("--steps", type=int, help="in place of --minutes")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="bfloat16: autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    data = images(options.dataset)
    network = unet("small").to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=0.01)

    def backward():
        x1 = data[torch.randint(len(data), (options.batch_size,))].float() / 127.5 - 1
        x0 = torch.randn_like(x1)
        t = (torch.arange(options.batch_size) + torch.rand(options.batch_size)) / options.batch_size
        u = t.reshape(-1, 1, 1, 1)
        x = ((1 - u) * x0 + u * x1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            v = network(x, 1000 * t).sample
        loss = ((v.float() - (x1 - x0)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        return loss.item()

    def measured_steps():
        times = []
        while len(times) < 8 or sum(times[3:]) < 5:
            start = time.perf_counter()
            backward()
            times.append(time.perf_counter() - start)
        return int(60 * options.minutes / (1.03 * sorted(times[3:])[len(times[3:]) // 2]))

    steps = options.steps or measured_steps()
    warmup = min(200, steps // 10)
    print(f"{steps} steps of {options.batch_size}", flush=True)
    losses, start = [], time.perf_counter()
    for step in range(steps):
        rate = (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * rate
        losses = losses[-99:] + [backward()]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters()):
                mean.lerp_(value, 1 - decay)
        if step % 200 == 199:
            print(f"step {step + 1}/{steps}, mean loss {sum(losses) / len(losses):.4f}, "
                  f"{time.perf_counter() - start:.0f} s", flush=True)
    average.save_pretrained(options.output)
    # The velocity and the times are Inkflow's own: said, so that nothing has to be assumed.
    path = pathlib.Path(options.output) / "config.json"
    config = json.loads(path.read_text())
    config["_inkflow"] = {
        "time": "t = 0 is noise, t = 1 is data; the network is given t * 1000",
        "prediction": "velocity x1 - x0 at x_t = (1 - t) * x0 + t * x1",
        "pixels": "u8 / 127.5 - 1",
        "trained_with": f"PyTorch {torch.__version__}, {options.precision}, {steps} steps of {options.batch_size}",
    }
    path.write_text(json.dumps(config, indent=2) + "\n")
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
