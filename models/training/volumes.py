"""Read patients and put them on the model's grid.

Arrays are [z, y, x] in LPS: x grows to the patient's left, y to posterior,
z to superior. Spacings are mm in the same order.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch

AIR_HU = -1000.0


@dataclass
class Patient:
    """One CT with its label map; `annotated` holds the label values that are known."""

    id: str
    hu: np.ndarray  # int16
    labels: np.ndarray  # uint8
    spacing: tuple
    annotated: frozenset
    truncated: frozenset


def read_nifti(path):
    """An array [z, y, x] in LPS and its spacing; the affine must be axis-aligned."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    spacing = tuple(float(s) for s in image.header.get_zooms()[:3])[::-1]
    array = np.asarray(image.dataobj)[::-1, ::-1, :].transpose(2, 1, 0)
    return np.ascontiguousarray(array), spacing


def read_split(root, split):
    """The usable patients of a split one after another, as `index.json` lists them."""
    root = Path(root)
    index = json.loads((root / "index.json").read_text())
    value_of = {name: int(value) for value, name in index["labels"].items()}
    for entry in index["patients"]:
        if entry["split"] != split or not entry.get("usable", True):
            continue
        folder = root / split / entry["id"]
        suffix = "nii.gz" if (folder / "ct.nii.gz").exists() else "nii"
        hu, spacing = read_nifti(folder / f"ct.{suffix}")
        labels, _ = read_nifti(folder / f"labels.{suffix}")
        names = entry.get("annotated", list(value_of))
        yield Patient(
            entry["id"],
            hu.astype(np.int16, copy=False),
            labels.astype(np.uint8, copy=False),
            spacing,
            frozenset(value_of[n] for n in names),
            frozenset(value_of[n] for n in entry.get("truncated", [])),
        )


def grid_shape(shape, spacing, target):
    """Voxels needed on the target grid, whose first voxel centre is the source's."""
    return [int(round((n - 1) * s / t)) + 1 for n, s, t in zip(shape, spacing, target)]


def resample_axis(array, axis, spacing, target, first, count):
    """Linear interpolation along one axis: samples `first` to `first + count` of `target` spacing.

    First voxel centres coincide; beyond the source's end its last voxel is repeated.
    """
    n = array.shape[axis]
    position = torch.arange(first, first + count, dtype=torch.float32) * (target / spacing)
    position = position.clamp(max=n - 1)
    below = position.long().clamp(max=max(n - 2, 0))
    above = (below + 1).clamp(max=n - 1)
    share = (position - below).view([-1 if a == axis else 1 for a in range(array.ndim)])
    low, high = array.index_select(axis, below), array.index_select(axis, above)
    return low + (high - low) * share


def resample(array, spacing, target, shape):
    """Linear interpolation of [C, z, y, x] onto `shape` voxels of `target` spacing."""
    for axis in range(3):
        array = resample_axis(array, axis + 1, spacing[axis], target[axis], 0, shape[axis])
    return array


def to_model_grid(hu, spacing, target):
    """HU on the model's grid, float32."""
    source = torch.from_numpy(hu.astype(np.float32))[None]
    return resample(source, spacing, target, grid_shape(hu.shape, spacing, target))[0]


def labels_to_model_grid(labels, spacing, target):
    """The label map on the model's grid.

    Each label is interpolated and the greatest wins; where the model's voxels are more than twice
    as wide as the scan's, the nearest voxel speaks for them all.
    """
    shape = grid_shape(labels.shape, spacing, target)
    if max(t / s for s, t in zip(spacing, target)) > 2:
        at = [
            np.minimum(np.rint(np.arange(m) * (t / s)).astype(int), n - 1)
            for n, m, s, t in zip(labels.shape, shape, spacing, target)
        ]
        return torch.from_numpy(labels[np.ix_(*at)])
    values = np.unique(labels)
    onehot = torch.from_numpy(np.stack([labels == v for v in values]).astype(np.float32))
    return torch.from_numpy(values)[resample(onehot, spacing, target, shape).argmax(0)]


def body_box(hu):
    """Slices of the box around everything that is not outside air; the whole if there is none."""
    inside = hu > AIR_HU + 1
    box = []
    for axis in range(3):
        found = inside.any(tuple(a for a in range(3) if a != axis)).nonzero()[:, 0]
        whole = (0, hu.shape[axis] - 1)
        first, last = (int(found[0]), int(found[-1])) if len(found) else whole
        box.append(slice(first, last + 1))
    return tuple(box)


def normalise(hu, normalization):
    clipped = hu.clamp(normalization["clip_low"], normalization["clip_high"])
    return (clipped - normalization["mean"]) / normalization["std"]
