"""Seconds of one training step, for the comparison with burn.

    python step_time.py head-neck.toml

Forward, loss and backward of one batch, and the optimiser; patches are noise.
Prints the quickest of five steps after two to warm up, wall and CPU seconds.
"""

import argparse
import time
import tomllib
from pathlib import Path

import torch

from network import PlainConvUNet
from train import total_loss


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    size, patch = config["training"]["batch"], config["network"]["patch"]
    heads, classes = config["training"]["heads"], config["network"]["classes"]
    image = torch.randn(size, 1, *patch).contiguous(memory_format=torch.channels_last_3d)
    labels = torch.randint(0, classes, (size, *patch))
    known = torch.ones(size, classes, dtype=torch.bool)
    print(f"batch {size}, patch {patch}, features {config['network']['features']}")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for bf16 in (False, True):
            network = PlainConvUNet(config["network"]).to(memory_format=torch.channels_last_3d)
            optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
            wall, cpu = [], []
            for _ in range(7):
                began, began_cpu = time.perf_counter(), time.process_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    logits = network(image, heads)
                optimiser.zero_grad(set_to_none=True)
                total_loss(logits, labels, known).backward()
                optimiser.step()
                wall.append(time.perf_counter() - began)
                cpu.append(time.process_time() - began_cpu)
            kind = "bf16 autocast" if bf16 else "float32"
            print(
                f"{threads} thread(s), {kind}: {min(wall[2:]):.2f} s wall, "
                f"{min(cpu[2:]):.2f} s CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
