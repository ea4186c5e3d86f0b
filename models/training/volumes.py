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
    """All usable patients of a split, as `index.json` lists them."""
    root = Path(root)
    index = json.loads((root / "index.json").read_text())
    value_of = {name: int(value) for value, name in index["labels"].items()}
    patients = []
    for entry in index["patients"]:
        if entry["split"] != split or not entry.get("usable", True):
            continue
        folder = root / split / entry["id"]
        hu, spacing = read_nifti(folder / "ct.nii.gz")
        labels, _ = read_nifti(folder / "labels.nii.gz")
        names = entry.get("annotated", list(value_of))
        patients.append(
            Patient(
                entry["id"],
                hu.astype(np.int16),
                labels.astype(np.uint8),
                spacing,
                frozenset(value_of[n] for n in names),
                frozenset(value_of[n] for n in entry.get("truncated", [])),
            )
        )
    return patients


def grid_shape(shape, spacing, target):
    """Voxels needed on the target grid, whose first voxel centre is the source's."""
    return [int(round((n - 1) * s / t)) + 1 for n, s, t in zip(shape, spacing, target)]


def resample(array, spacing, target, shape):
    """Linear interpolation of [C, z, y, x] onto `shape` voxels of `target` spacing.

    First voxel centres coincide; beyond the source's end its last voxel is repeated.
    """
    for axis, (s, t, m) in enumerate(zip(spacing, target, shape), 1):
        n = array.shape[axis]
        position = (torch.arange(m, dtype=torch.float32) * (t / s)).clamp(max=n - 1)
        below = position.long().clamp(max=max(n - 2, 0))
        above = (below + 1).clamp(max=n - 1)
        share = (position - below).view([-1 if a == axis else 1 for a in range(4)])
        low, high = array.index_select(axis, below), array.index_select(axis, above)
        array = low + (high - low) * share
    return array


def to_model_grid(hu, spacing, target):
    """HU on the model's grid, float32."""
    source = torch.from_numpy(hu.astype(np.float32))[None]
    return resample(source, spacing, target, grid_shape(hu.shape, spacing, target))[0]


def labels_to_model_grid(labels, spacing, target):
    """The label map on the model's grid: each label interpolated, the greatest wins."""
    values = np.unique(labels)
    onehot = torch.from_numpy(np.stack([labels == v for v in values]).astype(np.float32))
    share = resample(onehot, spacing, target, grid_shape(labels.shape, spacing, target))
    return torch.from_numpy(values)[share.argmax(0)]


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
