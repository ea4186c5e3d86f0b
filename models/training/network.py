"""nnU-Net's PlainConvUNet, layer for layer and name for name.

The program's Rust network reads the same state dictionary, so nothing here may
be renamed. Tensors are [N, C, z, y, x].
"""

import torch
import torch.nn.functional as F
from torch import nn


class InstanceNorm(nn.InstanceNorm3d):
    """Of a single patch, batch normalisation: the same numbers without leaving channels-last."""

    def forward(self, x):
        if x.shape[0] > 1:
            return super().forward(x)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


class ConvBlock(nn.Module):
    """Convolution, instance normalisation, leaky ReLU."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        padding = [(k - 1) // 2 for k in kernel]
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding)
        self.norm = InstanceNorm(outputs, eps=1e-5, affine=True)
        self.nonlin = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x):
        return self.nonlin(self.norm(self.conv(x)))


class Stage(nn.Module):
    """`count` blocks; only the first one strides."""

    def __init__(self, inputs, outputs, kernel, stride, count):
        super().__init__()
        self.convs = nn.Sequential(
            ConvBlock(inputs, outputs, kernel, stride),
            *(ConvBlock(outputs, outputs, kernel, [1, 1, 1]) for _ in range(count - 1)),
        )

    def forward(self, x):
        return self.convs(x)


class Encoder(nn.Module):
    def __init__(self, features, strides, kernel, count):
        super().__init__()
        inputs = [1, *features[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(Stage(i, o, k, s, count))
            for i, o, k, s in zip(inputs, features, kernel, strides)
        )

    def forward(self, x):
        skips = []
        for stage in self.stages[:-1]:
            x = stage(x)
            skips.append(x)
        # oneDNN's bf16 weight gradient is at times NaN where a convolution has few voxels.
        with torch.autocast("cpu", enabled=False):
            skips.append(self.stages[-1](x.float()))
        return skips


class Decoder(nn.Module):
    def __init__(self, features, strides, kernel, count, classes):
        super().__init__()
        self.transpconvs, self.stages, self.seg_layers = (
            nn.ModuleList(),
            nn.ModuleList(),
            nn.ModuleList(),
        )
        for level in range(len(features) - 1, 0, -1):
            below, here = features[level], features[level - 1]
            stride = strides[level]
            self.transpconvs.append(nn.ConvTranspose3d(below, here, stride, stride))
            self.stages.append(Stage(2 * here, here, kernel[level - 1], [1, 1, 1], count))
            self.seg_layers.append(nn.Conv3d(here, classes, 1))

    def forward(self, skips, heads):
        """Logits of the last `heads` levels, full resolution first."""
        x, logits = skips[-1], []
        for depth, stage in enumerate(self.stages):
            x = torch.cat((self.transpconvs[depth](x), skips[-(depth + 2)]), 1)
            x = stage(x)
            if depth >= len(self.stages) - heads:
                logits.insert(0, self.seg_layers[depth](x))
        return logits


class PlainConvUNet(nn.Module):
    """Built from the `[network]` table of a configuration."""

    def __init__(self, network):
        super().__init__()
        features, strides, kernel = network["features"], network["strides"], network["kernel"]
        count = network["convs_per_stage"]
        self.encoder = Encoder(features, strides, kernel, count)
        self.decoder = Decoder(features, strides, kernel, count, network["classes"])
        for module in self.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                nn.init.kaiming_normal_(module.weight, a=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x, heads=1):
        return self.decoder(self.encoder(x), heads)
