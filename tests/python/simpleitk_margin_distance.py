"""How far from a label SimpleITK says that voxels lie, mm: outside from the nearest centre of a voxel
in it, inside (negative) from the nearest centre of one that is not, by signed Maurer distance maps.

usage: simpleitk_margin_distance.py LABELS LABEL ROOM_MM OUT [whole]

A voxel is as thick as its slice: what it holds reaches from halfway to one slice to halfway to the next.
With "whole" it is as wide as its pixel too, so that distances are those from whole voxels, not from their
centres in the slice.
Writes what is found on the slices themselves, within ROOM_MM around the label, to OUT (32-bit floats,
first index fastest) and prints {"size": [...], "origin": [...], "steps": [[x, y, z], ...]}: the patient
mm of the first voxel's centre and from voxel to voxel (DICOM LPS).
"""

import json
import sys

import numpy as np
import SimpleITK as sitk


def box(mask, room_mm):
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    found = shape.GetBoundingBox(1)
    low, high = [], []
    for axis, spacing in enumerate(mask.GetSpacing()):
        room = int(room_mm / spacing) + 2
        low.append(max(0, found[axis] - room))
        high.append(min(mask.GetSize()[axis], found[axis] + found[axis + 3] + room))
    return mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]]


def solid(inside, axis):
    """Twice as many places along an axis: halfway between two of them stands what either holds."""
    inside = np.moveaxis(inside, axis, 0)
    twice = np.zeros((2 * len(inside) - 1, *inside.shape[1:]), np.uint8)
    twice[::2] = inside
    twice[1::2] = inside[:-1] | inside[1:]
    return np.moveaxis(twice, 0, axis)


def outside(inside, like, axes):
    """The distance at the voxels' centres from what is inside, 0 within it. Along `axes` (slices are 0)
    voxels end halfway between two centres; along others they are as thin as their centres."""
    spacing = list(like.GetSpacing())
    for axis in axes:
        inside = solid(inside, axis)
        spacing[2 - axis] /= 2
    image = sitk.GetImageFromArray(inside)
    image.SetSpacing(spacing)
    mm = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    every = tuple(slice(None, None, 2 if axis in axes else 1) for axis in range(3))
    return sitk.GetArrayFromImage(mm)[every].clip(min=0)


def main(path, label, room_mm, out, what=""):
    mask = box(sitk.ReadImage(path) == int(label), float(room_mm))
    inside = sitk.GetArrayFromImage(mask)
    axes = (0, 1, 2) if what == "whole" else (0,)
    mm = outside(inside, mask, axes) - outside(1 - inside, mask, axes)
    mm.astype("<f4").tofile(out)
    origin = mask.TransformIndexToPhysicalPoint((0, 0, 0))
    ends = [mask.TransformIndexToPhysicalPoint(tuple(int(axis == own) for own in range(3))) for axis in range(3)]
    steps = [[a - b for a, b in zip(end, origin)] for end in ends]
    print(json.dumps({"size": mask.GetSize(), "origin": origin, "steps": steps}))


if __name__ == "__main__":
    main(*sys.argv[1:])
