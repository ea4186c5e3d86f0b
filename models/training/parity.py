"""Write what each layer answers on a small input, for the Rust network's tests.

    python parity.py ../head-neck --out ../../tests/fixtures/head_neck_parity.safetensors

The shipped half-precision weights are raised to float32; input and outputs are
float32. Tensors: `input` and `logits`, whole; the first four channels of
`encoder.stages.S` and `decoder.stages.D` (after both blocks), of
`decoder.transpconvs.D`, and of the first block `encoder.stages.0.0.convs.0`,
its `.conv` and its `.norm`.
"""

import argparse
import tomllib
from pathlib import Path

import torch
from safetensors.torch import save_file

from evaluate import load_network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, nargs=3, metavar=("Z", "Y", "X"))
    arguments = parser.parse_args()
    config = tomllib.loads((arguments.package / "model.toml").read_text())
    network = load_network(config, arguments.package / config["weights"]["file"])
    network = network.to(memory_format=torch.contiguous_format)

    size = arguments.size
    if size is None:  # the deepest level is 2 x 1 x 1: instance norm needs two voxels
        factor = torch.tensor(config["network"]["strides"]).prod(0).tolist()
        size = [2 * factor[0], factor[1], factor[2]]
    generator = torch.Generator().manual_seed(arguments.seed)
    tensors = {"input": torch.randn(1, 1, *size, generator=generator)}

    def keep(name):
        def hook(_module, _inputs, output):
            tensors[name] = output[:, :4].clone()

        return hook

    first = "encoder.stages.0.0.convs.0"
    for name, module in network.named_modules():
        wanted = name in (first, f"{first}.conv", f"{first}.norm")
        parts = name.split(".")
        wanted |= len(parts) == 3 and parts[1] in ("stages", "transpconvs")
        if wanted:
            module.register_forward_hook(keep(name))
    with torch.inference_mode():
        logits = network(tensors["input"])[0]
    tensors["logits"] = logits
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        arguments.out,
        {"model": config["id"], "weights_sha256": config["weights"]["sha256"]},
    )
    for name, tensor in tensors.items():
        print(f"{name} {list(tensor.shape)}")
    print(f"{arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
