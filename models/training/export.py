"""Turn a checkpoint into a package the program loads.

    python export.py head-neck.toml --checkpoint runs/head-neck/checkpoint.pt --out ../head-neck --calibration calibration.toml

Writes `weights.safetensors` (half precision, nnU-Net's names, only the
full-resolution head) and `model.toml`.
"""

import argparse
import hashlib
import tomllib
from pathlib import Path

import torch
from safetensors.torch import save_file

from evaluate import INFERENCE


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return repr(value)


def toml_table(header, table):
    return f"\n{header}\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in table.items())


def shipped_weights(state, network):
    """Averaged weights in half precision, without the training-only heads."""
    last = len(network["features"]) - 2
    weights = {}
    for name, tensor in state["ema"].items():
        if name.startswith("decoder.seg_layers.") and int(name.split(".")[2]) != last:
            continue
        half = tensor.to(torch.float16).contiguous()
        if not torch.isfinite(half).all():
            raise ValueError(f"{name} does not fit half precision")
        weights[name] = half
    return weights


def manifest(config, state, digest, calibration):
    text = "".join(
        f"{key} = {toml_value(config[key])}\n" for key in ("id", "title", "version")
    )
    text += f'modality = "CT"\nlicense = {toml_value(config["license"])}\n'
    training = config["training"]
    text += toml_table(
        "[provenance]",
        ({"synthetic": True} if config["data"].get("synthetic") else {})
        | {
            "data": config["data"]["description"],
            "trained_with": f"PyTorch {torch.__version__.split('+')[0]}, models/training",
            "seed": state["seed"],
            "steps": state["step"],
            "batch": training["batch"],
            "training_cpu_hours": round(state["cpu_seconds"] / 3600, 2),
        },
    )
    text += "\n# Tensors are [z, y, x]; x grows to the patient's left, y to posterior, z to superior."
    text += toml_table(
        "[input]",
        {
            "spacing_mm": config["input"]["spacing_mm"],
            "orientation": "LPS",
            "outside_body_hu": -1000,
        },
    )
    text += toml_table("[normalization]", config["normalization"])
    text += toml_table("[network]", config["network"])
    text += toml_table("[inference]", config.get("inference", INFERENCE))
    text += toml_table(
        "[weights]", {"file": "weights.safetensors", "sha256": digest, "dtype": "f16"}
    )
    for label in config["labels"]:
        text += toml_table("[[labels]]", label | calibration.get(label["name"], {}))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, help="what calibrate.py printed")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    state = torch.load(arguments.checkpoint, weights_only=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = arguments.out / "weights.safetensors"
    save_file(shipped_weights(state, config["network"]), weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    calibration = {}
    if arguments.calibration:
        for label in tomllib.loads(arguments.calibration.read_text())["labels"]:
            calibration[label.pop("name")] = label
    text = manifest(config, state, digest, calibration)
    tomllib.loads(text)
    (arguments.out / "model.toml").write_text(text)
    print(f"{arguments.out}: step {state['step']}, {weights.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
