"""Write one training step of PyTorch on a tiny network, for the tests of the program's own training.

    python step_fixture.py --out ../../tests/fixtures/training_step.safetensors

Weights (`weights/NAME`), a batch (`image`, `labels`, `known`; 65535 is IGNORE), the loss and its
gradients (`gradients/NAME`), plain and with `log_dice`, and the weights after one step of AdamW with
gradients cut to a norm of 3 (`after/NAME`). In the second patient an organ is unknown, and a part of
the first is ignored. Biases of convolutions that a normalisation follows are left out: they have no
effect.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from loss import IGNORE
from network import PlainConvUNet
from train import total_loss

NETWORK = {
    "features": [4, 6, 8],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "kernel": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "convs_per_stage": 2,
    "classes": 4,
}
HEADS = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    network = PlainConvUNet(NETWORK)
    with torch.no_grad():  # no parameter at a special value
        for name, parameter in network.named_parameters():
            if name.endswith(("norm.weight", "norm.bias", "seg_layers.1.bias", "transpconvs.0.bias")):
                parameter.add_(0.2 * torch.randn_like(parameter))
    image = torch.randn(2, 1, 8, 8, 12)
    labels = torch.randint(0, 4, (2, 8, 8, 12))
    known = torch.ones(2, 4, dtype=torch.bool)
    known[1, 2] = False
    labels[1][labels[1] == 2] = 0
    labels[0, :3] = IGNORE

    used = {
        name: parameter
        for name, parameter in network.named_parameters()
        if not name.endswith("conv.bias")
        and not (name.startswith("decoder.seg_layers.") and int(name.split(".")[2]) < 2 - HEADS)
    }
    # Copies: the optimiser changes the weights where they are.
    stored = labels.where(labels != IGNORE, 65535).float()
    tensors = {"image": image, "labels": stored, "known": known.float()}
    tensors |= {f"weights/{name}": parameter.detach().clone() for name, parameter in used.items()}
    for kind, log_dice in (("", False), ("log_", True)):
        network.zero_grad(set_to_none=True)
        loss = total_loss(network(image, HEADS), labels, known, log_dice)
        loss.backward()
        tensors[f"{kind}loss"] = loss.detach().reshape(1)
        for name, parameter in used.items():
            tensors[f"{kind}gradients/{name}"] = parameter.grad.clone()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=1e-2)
    norm = torch.nn.utils.clip_grad_norm_(list(used.values()), 3.0)
    optimiser.step()
    tensors["norm"] = norm.reshape(1)
    tensors |= {f"after/{name}": parameter.detach() for name, parameter in used.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, arguments.out)
    print(f"loss {tensors['loss'].item():.6f}, norm {norm.item():.4f}, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
