"""Train one model from its configuration.

    python train.py head-neck.toml --out runs/head-neck

Stops and goes on where it was: the same command continues from
`OUT/checkpoint.pt`. `--steps` may be lowered (or raised) between calls while
the learning rate is still on its plateau; the decay is then sized anew.
`--init` begins a new run with a package's weights, class by class where both
know the name. On a GPU (`--device cuda`) patches are best drawn by other
processes meanwhile (`--workers`); they are the same ones.
"""

import argparse
import os
import signal
import time
import tomllib
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset

from loss import marginal_loss
from network import PlainConvUNet
from patches import Sampler
from volumes import read_split


def learning_rate(step, steps, training):
    """Linear warm-up, plateau, then 1 - sqrt decay to zero over the last part."""
    warm = min(1.0, (step + 1) / training["warmup_steps"])
    begin = steps * (1 - training["decay_share"])
    late = max(0.0, (step - begin) / (steps - begin))
    return training["learning_rate"] * warm * (1 - late**0.5)


def total_loss(logits, labels, known, log_dice=False):
    """Deep supervision: each lower resolution weighs half of the one above."""
    loss, weight, sum_of_weights = 0.0, 1.0, 0.0
    for level in logits:
        target = labels
        if level.shape[2:] != labels.shape[1:]:
            steps = [a // b for a, b in zip(labels.shape[1:], level.shape[2:])]
            target = labels[:, steps[0] // 2 :: steps[0], steps[1] // 2 :: steps[1], steps[2] // 2 :: steps[2]]
        loss = loss + weight * marginal_loss(level, target, known, log_dice)
        sum_of_weights += weight
        weight /= 2
    return loss / sum_of_weights


def initialise(network, labels, package):
    """Take over the weights of the package whose manifest is `package`.

    The last layer's rows go by organ name; what the package lacks (organs, lower
    resolutions' heads) keeps its random start. Other layers must agree in shape.
    """
    manifest = tomllib.loads(package.read_text())
    known = {label["name"]: label["value"] for label in manifest["labels"]}
    known[None] = 0
    rows = [(0, 0), *((l["value"], known[l["name"]]) for l in labels if l["name"] in known)]
    here, there = (list(side) for side in zip(*rows))
    own = network.state_dict()
    for name, tensor in load_file(package.parent / manifest["weights"]["file"]).items():
        if name.startswith("decoder.seg_layers."):
            own[name][here] = tensor[there].float()
        else:
            own[name].copy_(tensor)


class Batches(Dataset):
    """The batch of each step: the seed and the step alone decide it."""

    def __init__(self, sampler, training):
        self.sampler, self.seed, self.size = sampler, training["seed"], training["batch"]

    def __getitem__(self, step):
        return self.sampler.batch(np.random.default_rng([self.seed, step]), self.size)


def save(path, state):
    """Write beside the target, then rename: a kill never leaves half a file."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, help="default: the configuration's data.root")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="a package's model.toml to start from")
    parser.add_argument("--steps", type=int, help="default: the configuration's training.steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw patches")
    parser.add_argument("--save-every", type=float, default=180, help="seconds")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    training = config["training"]
    steps = arguments.steps or training["steps"]
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(training["seed"])
    arguments.out.mkdir(parents=True, exist_ok=True)
    checkpoint = arguments.out / "checkpoint.pt"

    network = PlainConvUNet(config["network"])
    if arguments.init:
        initialise(network, config["labels"], arguments.init)
    device = torch.device(arguments.device)
    network.to(device, memory_format=torch.channels_last_3d)
    ema = deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(
        network.parameters(), training["learning_rate"], weight_decay=training["weight_decay"]
    )
    step, seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["cpu_seconds"]

    sampler = Sampler(read_split(arguments.data or config["data"]["root"], "train"), config)
    print(
        f"{len(sampler.volumes)} patients, "
        f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, "
        f"steps {step} to {steps}",
        flush=True,
    )
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))  # save, then leave
    used, saved, reported, running = time.process_time(), time.time(), time.time(), []
    batches = DataLoader(
        Batches(sampler, training),
        batch_size=None,
        sampler=range(step, steps),
        num_workers=arguments.workers,
        pin_memory=device.type == "cuda",
    )
    for batch in batches:
        image, labels, known = (part.to(device, non_blocking=True) for part in batch)
        rate = learning_rate(step, steps, training)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=training["bf16"]):
            logits = network(
                image.contiguous(memory_format=torch.channels_last_3d), training["heads"]
            )
        loss = total_loss(logits, labels, known, training.get("log_dice", False))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), training["clip_gradient"])
        if norm.isfinite():
            optimiser.step()
        else:  # now and then bf16 kernels on the CPU give a gradient of NaN; repeated, it is finite
            print(f"step {step} left out: the gradient is not finite", flush=True)
        keep = min(training["ema"], (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(ema.parameters(), network.parameters()):
                slow.lerp_(fast, 1 - keep)
        step += 1
        running.append(loss.item())
        if step % 50 == 0:
            now = time.time()
            print(
                f"{time.strftime('%H:%M:%S')} step {step} loss {np.mean(running):.4f} "
                f"lr {rate:.2e} {(now - reported) / 50:.3f} s/step",
                flush=True,
            )
            reported, running = now, []
        if step == steps or stop or time.time() - saved > arguments.save_every:
            save(
                checkpoint,
                {
                    "network": network.state_dict(),
                    "ema": ema.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "steps": steps,
                    "cpu_seconds": seconds + time.process_time() - used,
                    "seed": training["seed"],
                },
            )
            saved = time.time()
        if stop:
            break


if __name__ == "__main__":
    main()
