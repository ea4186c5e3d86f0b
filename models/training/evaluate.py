"""Dice of each organ on a split, at the scans' own resolution.

    python evaluate.py head-neck.toml --weights runs/head-neck/checkpoint.pt
    python evaluate.py ../head-neck/model.toml --data DATA

Only organs that were annotated and lie wholly inside the scan are scored. A
`.pt` file is a training checkpoint (its averaged weights are taken), a
`.safetensors` file a shipped package.
"""

import argparse
import itertools
import json
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from inference import segment
from network import PlainConvUNet
from volumes import read_split

INFERENCE = {"step": 0.5, "gaussian_sigma": 0.125, "mirror_axes": [], "mirror_swaps": []}


def load_network(config, weights):
    """A network with averaged (`.pt`) or shipped (`.safetensors`) weights, in float32."""
    network = PlainConvUNet(config["network"])
    if Path(weights).suffix == ".pt":
        network.load_state_dict(torch.load(weights, weights_only=True)["ema"])
    else:
        state = {name: tensor.float() for name, tensor in load_file(weights).items()}
        missing, unexpected = network.load_state_dict(state, strict=False)
        heads = len(config["network"]["features"]) - 2  # lower resolutions are not shipped
        spare = [f"decoder.seg_layers.{head}." for head in range(heads)]
        missing = [m for m in missing if not m.startswith(tuple(spare))]
        if missing or unexpected:
            raise ValueError(f"{weights}: missing {missing}, unexpected {unexpected}")
    return network.eval().to(memory_format=torch.channels_last_3d)


def dice(a, b):
    """1 where both are empty."""
    size = a.sum() + b.sum()
    return 1.0 if size == 0 else float(2 * (a & b).sum() / size)


def score(found, patient, labels, smallest_ml=0.0):
    """Dice by organ name, for organs annotated, whole, present and of at least `smallest_ml`."""
    scores = {}
    for label in labels:
        value = label["value"]
        truth = patient.labels == value
        if value not in patient.annotated or value in patient.truncated or not truth.any():
            continue
        if truth.sum() * np.prod(patient.spacing) / 1000 < smallest_ml:
            continue
        scores[label["name"]] = dice(found == value, truth)
    return scores


def interval(values, rng=None):
    """95 % bootstrap interval of the mean, over patients."""
    rng = rng or np.random.default_rng(0)
    means = rng.choice(values, (10000, len(values))).mean(1)
    return np.percentile(means, [2.5, 97.5])


def summarise(per_patient, labels):
    """Markdown table: organ, patients, mean Dice with interval, median."""
    lines = ["| organ | patients | mean Dice | 95 % interval | median |", "|---|---|---|---|---|"]
    means = []
    for label in labels:
        values = [s[label["name"]] for s in per_patient.values() if label["name"] in s]
        if values:
            low, high = interval(values)
            means.append(np.mean(values))
            lines.append(
                f"| {label['name']} | {len(values)} | {np.mean(values):.3f} | "
                f"{low:.3f} to {high:.3f} | {np.median(values):.3f} |"
            )
    pooled = [v for s in per_patient.values() for v in s.values()]
    # Organs of one patient are not independent: whole patients are drawn.
    rng, patients, draws = np.random.default_rng(0), list(per_patient.values()), []
    for _ in range(2000):
        drawn = [patients[i] for i in rng.integers(len(patients), size=len(patients))]
        draws.append(np.mean([v for s in drawn for v in s.values()]))
    low, high = np.percentile(draws, [2.5, 97.5])
    lines.append(
        f"| **all {len(pooled)} organs of all patients** | | **{np.mean(pooled):.3f}** | "
        f"{low:.3f} to {high:.3f} | {np.median(pooled):.3f} |"
    )
    lines.append(f"| mean of the {len(means)} organs' means | | {np.mean(means):.3f} | | |")
    return "\n".join(lines)


def model_parser(description):
    """The options of a script that runs a model over a split; `open_model` reads them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("config", type=Path, help="configuration or a package's model.toml")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path, help="default: the package's own")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--limit", type=int, help="only the first so many patients")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def open_model(arguments):
    """Configuration, network, the data's folder, and the patients asked for, one after another."""
    torch.set_num_threads(arguments.threads)
    config = tomllib.loads(arguments.config.read_text())
    config.setdefault("inference", INFERENCE)
    weights = arguments.weights or arguments.config.parent / config["weights"]["file"]
    network = load_network(config, weights)
    root = arguments.data or config["data"]["root"]
    patients = itertools.islice(read_split(root, arguments.split), arguments.limit)
    return config, network, root, patients


def main():
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--smallest-ml", type=float, default=0.0, help="skip smaller organs")
    parser.add_argument("--json", type=Path, help="write the scores of each patient here")
    arguments = parser.parse_args()
    config, network, _, patients = open_model(arguments)
    per_patient, started = {}, time.time()
    for patient in patients:
        found = segment(network, patient.hu, patient.spacing, config)
        per_patient[patient.id] = score(found, patient, config["labels"], arguments.smallest_ml)
    print(summarise(per_patient, config["labels"]))
    print(f"\n{len(per_patient)} patients, {(time.time() - started) / len(per_patient):.1f} s each")
    if arguments.json:
        arguments.json.write_text(json.dumps(per_patient, indent=1))


if __name__ == "__main__":
    main()
