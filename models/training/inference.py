"""Whole-volume inference, step by step as the program does it.

1. Outside the body is `outside_body_hu` already (the caller's part).
2. Resample to the model's spacing, crop to the body's box, clip and normalise.
3. Slide the patch by `step` of its size, weigh each softmax by a Gaussian, add up.
4. Interpolate the probabilities onto the scan's grid, take the greatest.
5. Of labels marked `keep_largest`, keep the largest piece (26-connected).
"""

import itertools

import numpy as np
import torch
from scipy import ndimage

from volumes import AIR_HU, body_box, normalise, resample_axis, to_model_grid


def gaussian(patch, sigma):
    """Weights of one patch: 1 in the middle, never below 1/1000 of it."""
    weight = torch.ones(patch)
    for axis, n in enumerate(patch):
        offset = (torch.arange(n) - (n - 1) / 2) / (n * sigma)
        weight = weight * torch.exp(-0.5 * offset**2).view([-1 if a == axis else 1 for a in range(3)])
    return (weight / weight.max()).clamp(min=1e-3)


def starts(size, patch, step):
    """First voxels of evenly spread windows that cover `size` and overlap by 1 - `step`."""
    if size <= patch:
        return [0]
    count = int(np.ceil((size - patch) / (patch * step))) + 1
    return [round(i * (size - patch) / (count - 1)) for i in range(count)]


def sliding_window(network, image, patch, step, sigma, classes):
    """Probabilities [K, z, y, x] of a normalised image [z, y, x]."""
    size = image.shape
    padding = [max(0, p - n) for p, n in zip(patch, size)]
    padded = image.min().expand([n + p for n, p in zip(size, padding)]).clone()
    # Where the volume is smaller than the patch, air is added on both sides alike.
    inside = tuple(slice(p // 2, p // 2 + n) for p, n in zip(padding, size))
    padded[inside] = image
    weight = gaussian(patch, sigma)
    total = torch.zeros(classes, *padded.shape)
    weights = torch.zeros(padded.shape)
    for corner in itertools.product(*(starts(n, p, step) for n, p in zip(padded.shape, patch))):
        window = tuple(slice(c, c + p) for c, p in zip(corner, patch))
        logits = network(padded[window][None, None])[0]
        total[(slice(None), *window)] += logits.float().softmax(1)[0] * weight
        weights[window] += weight
    return (total / weights)[(slice(None), *inside)]


def largest_piece(mask):
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask
    return pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()


def flip_classes(logits, swaps):
    """Logits [1, K, z, y, x] of an image mirrored along x, turned back: left and right change places."""
    order = list(range(logits.shape[1]))
    for a, b in swaps:
        order[a], order[b] = order[b], order[a]
    return logits[:, order].flip(4)


def mirrored(network, inference):
    """The network, averaged with the mirrored image where the manifest asks for x (axis 2) alone."""
    axes = inference.get("mirror_axes", [])
    if not axes:
        return network
    if axes != [2]:
        raise ValueError(f"mirror_axes {axes}: only x (2) is mirrored here")
    swaps = inference.get("mirror_swaps", [])
    return lambda image: [
        (network(image)[0] + flip_classes(network(image.flip(4))[0], swaps)) / 2
    ]


@torch.inference_mode()
def probability_planes(network, hu, spacing, config):
    """Probabilities [K, y, x] of each plane of the scan's own grid."""
    target = config["input"]["spacing_mm"]
    scan = to_model_grid(hu, spacing, target)
    box = body_box(scan)
    image = normalise(scan[box], config["normalization"])
    classes = config["network"]["classes"]
    inference = config["inference"]
    probabilities = torch.zeros(classes, *scan.shape)
    probabilities[0] = 1
    probabilities[(slice(None), *box)] = sliding_window(
        mirrored(network, inference),
        image,
        config["network"]["patch"],
        inference["step"],
        inference["gaussian_sigma"],
        classes,
    )
    for z in range(hu.shape[0]):  # never all classes of all slices at once
        plane = resample_axis(probabilities, 1, target[0], spacing[0], z, 1)
        for axis in (1, 2):
            plane = resample_axis(plane, axis + 1, target[axis], spacing[axis], 0, hu.shape[axis])
        yield plane[:, 0]


def segment(network, hu, spacing, config):
    """Label map (uint8) on the scan's own grid."""
    labels = np.empty(hu.shape, np.uint8)
    for z, plane in enumerate(probability_planes(network, hu, spacing, config)):
        labels[z] = plane.argmax(0).numpy()
    labels[hu < AIR_HU + 1] = 0
    for label in config["labels"]:
        if label.get("keep_largest"):
            mask = labels == label["value"]
            labels[mask & ~largest_piece(mask)] = 0
    return labels
