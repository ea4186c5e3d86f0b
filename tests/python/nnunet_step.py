"""Writes one training step of nnunetv2's own networks and losses, for the tests of training models further.

    python tests/python/nnunet_step.py tests/fixtures/nnunet_step.safetensors

`labels/`: a ResidualEncoderUNet of two channels and the loss of labels (DC_and_CE_loss), a part of the batch
ignored; `regions/`: a PlainConvUNet and the loss of regions (DC_and_BCE_loss), their targets as bits. Each with deep
supervision at two resolutions, targets of the lower one as nnU-Net's data loader makes them: `weights/NAME`,
`image`, `truth` (65535: ignored), `loss`, `gradients/NAME`. Dice is that of the whole batch (`batch_dice`); its
smoothing is 1, nnU-Net's class's own default, where nnU-Net's trainer has 1e-5. Where labels are all there, nnU-Net's
loss is 1 less than the program's, which counts what Dice lacks. Biases of convolutions that a normalisation follows
are left out: they have no effect.
"""
import sys

import torch
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from safetensors.torch import save_file
from torch import nn

SHARED = {
    "n_stages": 3, "features_per_stage": [4, 5, 6], "conv_op": nn.Conv3d, "n_conv_per_stage_decoder": [1, 2],
    "norm_op": nn.InstanceNorm3d, "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "nonlin": nn.LeakyReLU,
    "nonlin_kwargs": {"inplace": True}, "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "deep_supervision": True,
}
DICE = {"batch_dice": True, "smooth": 1.0, "ddp": False}
IGNORED = 4
SIZE = (8, 8, 12)


def step(network, loss, image, target):
    """Loss and gradients of a batch, by name."""
    with torch.no_grad():  # no parameter at a special value
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and not name.endswith("conv.bias"):
                parameter.add_(0.2 * torch.randn_like(parameter))
    heads = network(image)
    # The last resolution that a trainer supervises weighs nothing there, too.
    own = len(heads)
    assert own == 2
    lower = DownsampleSegForDSTransform([1, [1, 0.5, 0.5]])
    targets = [torch.stack(level) for level in zip(*[lower._apply_to_segmentation(one) for one in target])]
    assert [level.shape[2:] for level in targets] == [head.shape[2:] for head in heads]
    found = DeepSupervisionWrapper(loss, [2 / 3, 1 / 3])(heads, targets)
    found.backward()
    used = {name: one for name, one in network.named_parameters() if not name.endswith("conv.bias")}
    made = {"image": image, "loss": found.detach().reshape(1)}
    made |= {f"weights/{name}": one.detach() for name, one in used.items()}
    return made | {f"gradients/{name}": one.grad for name, one in used.items()}


def of_labels():
    network = ResidualEncoderUNet(2, n_blocks_per_stage=[1, 2, 1], num_classes=4, conv_bias=False, **SHARED)
    loss = DC_and_CE_loss({**DICE, "do_bg": False}, {}, ignore_label=IGNORED, dice_class=MemoryEfficientSoftDiceLoss)
    target = torch.randint(0, 4, (2, 1, *SIZE))
    target[0, :, :3] = IGNORED
    made = step(network, loss, torch.randn(2, 2, *SIZE), target)
    return made | {"truth": target.where(target != IGNORED, 65535).float()}


def of_regions():
    network = PlainConvUNet(1, n_conv_per_stage=[1, 2, 1], num_classes=3, conv_bias=True, **SHARED)
    loss = DC_and_BCE_loss({}, {**DICE, "do_bg": True}, dice_class=MemoryEfficientSoftDiceLoss)
    depth = torch.randint(0, 4, (2, 1, *SIZE))
    target = torch.cat([depth > 0, depth > 1, depth > 2], 1).float()
    made = step(network, loss, torch.randn(2, 1, *SIZE), target)
    return made | {"truth": (target * torch.tensor([1, 2, 4]).reshape(1, 3, 1, 1, 1)).sum(1)}


def main(path):
    torch.manual_seed(5)
    torch.set_num_threads(1)
    tensors = {}
    for kind, made in (("labels", of_labels()), ("regions", of_regions())):
        tensors |= {f"{kind}/{name}": tensor.contiguous() for name, tensor in made.items()}
        print(kind, made["loss"].item(), sum(one.numel() for one in made.values()), "numbers")
    save_file(tensors, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
