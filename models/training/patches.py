"""Draw training patches: choose a place, deform, degrade.

Every draw depends only on the generator it is given, so that a run can stop at
any step and go on as if it had not.
"""

import numpy as np
import torch
import torch.nn.functional as F

from loss import IGNORE
from volumes import AIR_HU, body_box, labels_to_model_grid, normalise, to_model_grid


class Sampler:
    """Patients on the model's grid, in memory, and the rule by which patches are drawn."""

    def __init__(self, patients, config):
        self.input, self.normalization = config["input"], config["normalization"]
        self.sampling, self.augment = config["sampling"], config["augment"]
        self.patch = config["network"]["patch"]
        self.classes = config["network"]["classes"]
        self.swap = np.arange(self.classes)
        for a, b in self.augment.get("mirror_swaps", []):
            self.swap[[a, b]] = [b, a]
        self.volumes, self.voxels = [], {}
        for number, patient in enumerate(patients):
            hu = to_model_grid(patient.hu, patient.spacing, self.input["spacing_mm"])
            labels = labels_to_model_grid(
                patient.labels, patient.spacing, self.input["spacing_mm"]
            )
            box = body_box(hu)
            hu, labels = hu[box], labels[box]
            known = np.zeros(self.classes, bool)
            known[[0, *patient.annotated]] = True
            labels[~torch.from_numpy(known)[labels.long()]] = 0
            self.volumes.append((hu.to(torch.int16), labels, known))
            for value in range(1, self.classes):
                found = np.argwhere(labels.numpy() == value).astype(np.int16)
                if len(found):
                    self.voxels.setdefault(value, []).append((number, found))
        weights = self.sampling.get("weights", [1.0] * (self.classes - 1))
        weights = np.array([w * (v in self.voxels) for v, w in enumerate(weights, 1)])
        self.weights = weights / weights.sum()

    def batch(self, rng, size):
        """`size` patches: image [N, 1, z, y, x], labels [N, z, y, x], known [N, K]."""
        # Of `size` patches, on average `organ_share` show a chosen organ.
        on_organ = self.sampling["organ_share"] * size
        drawn = [self.draw(rng, n + rng.random() < on_organ) for n in range(size)]
        return [torch.stack(part) for part in zip(*drawn)]

    def draw(self, rng, on_organ):
        if on_organ:
            value = 1 + rng.choice(self.classes - 1, p=self.weights)
            number, found = self.voxels[value][rng.integers(len(self.voxels[value]))]
            centre = found[rng.integers(len(found))].astype(float)
            # The organ need not lie in the middle of the patch.
            centre += rng.uniform(-0.35, 0.35, 3) * self.patch
        else:
            number = rng.integers(len(self.volumes))
            centre = rng.uniform(0, 1, 3) * self.volumes[number][0].shape
        hu, labels, known = self.volumes[number]
        # Stay inside the volume, as the sliding window does, up to a small overhang.
        half, overhang = np.array(self.patch) / 2, self.sampling["overhang"]
        shape = np.array(hu.shape)
        low, high = half - overhang, shape - half + overhang
        centre = np.where(low < high, np.clip(centre, low, high), shape / 2)

        hu, labels, mirrored = self.deform(rng, hu, labels, centre - 0.5)
        if mirrored:
            swap = torch.from_numpy(self.swap)
            labels = torch.where(labels == IGNORE, labels, swap[labels.clamp(max=self.classes - 1)])
            known = known[self.swap]
        hu, labels = self.cut(rng, hu, labels)
        return self.degrade(rng, hu)[None], labels, torch.from_numpy(known)

    def deform(self, rng, hu, labels, centre):
        """Rotate, scale and mirror about `centre` (voxels) while cutting the patch out."""
        augment, spacing = self.augment, np.array(self.input["spacing_mm"])
        matrix = np.eye(3)
        if rng.random() < augment["affine_probability"]:
            limits = np.deg2rad(augment["rotation_deg"])
            for axis, angle in enumerate(rng.uniform(-1, 1, 3) * limits):
                c, s = np.cos(angle), np.sin(angle)
                turn = np.eye(3)
                i, j = [a for a in range(3) if a != axis]
                turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
                matrix = matrix @ turn
            overall = rng.uniform(*np.log(augment["scale"]))
            matrix = matrix * np.exp(overall + rng.uniform(-0.06, 0.06, 3))
        mirrored = bool(augment["mirror_x"]) and rng.random() < 0.5
        if mirrored:
            matrix[:, 2] *= -1
        matrix = matrix * spacing[None, :] / spacing[:, None]  # mm -> voxels, both sides

        axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in self.patch]
        offset = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        if chosen(rng, augment.get("bend")):
            offset = offset + bend(rng, self.patch, spacing, augment["bend"]["mm"])
        place = offset @ torch.tensor(matrix.T, dtype=torch.float32)
        place += torch.tensor(centre, dtype=torch.float32)
        shape = torch.tensor(hu.shape, dtype=torch.float32)
        grid = ((place * 2 + 1) / shape - 1).flip(-1)[None]
        image = F.grid_sample(
            hu.float()[None, None] - AIR_HU, grid, "bilinear", "zeros", align_corners=False
        )
        truth = F.grid_sample(
            labels.float()[None, None] + 1, grid, "nearest", "zeros", align_corners=False
        )
        truth = truth[0, 0].long() - 1
        truth[truth < 0] = 0  # beyond the scan there is air
        return image[0, 0] + AIR_HU, truth, mirrored

    def cut(self, rng, hu, labels):
        """End the scan somewhere inside the patch, above or below."""
        if rng.random() < self.augment["cut_probability"]:
            depth = rng.integers(1, self.patch[0] // 2)
            part = slice(0, depth) if rng.random() < 0.5 else slice(self.patch[0] - depth, None)
            hu[part], labels[part] = AIR_HU, IGNORE
        return hu, labels

    def degrade(self, rng, hu):
        """Coarsen, blur, scale and shift HU, add noise, normalise, raise to a power. Air stays air."""
        augment = self.augment
        outside = hu < AIR_HU + 1
        if chosen(rng, augment.get("coarse")):
            hu = coarsen(hu, rng.uniform(*augment["coarse"]["share"], 3))
        if rng.random() < 0.15:
            hu = self.blur(hu, rng.uniform(0.3, 0.8))
        hu = hu * rng.uniform(*augment["hu_scale"]) + rng.uniform(-1, 1) * augment["hu_shift"]
        if rng.random() < 0.3:
            noise = torch.from_numpy(rng.standard_normal(hu.shape, dtype=np.float32))
            hu = hu + noise * rng.uniform(0, augment["hu_noise"])
        hu[outside] = AIR_HU
        image = normalise(hu, self.normalization)
        if chosen(rng, augment.get("gamma")):
            power = np.exp(rng.uniform(*np.log(augment["gamma"]["power"])))
            image = raise_grey(image, float(power), self.normalization)
        return image

    @staticmethod
    def blur(hu, sigma):
        taps = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / sigma) ** 2)
        taps /= taps.sum()
        hu = (hu - AIR_HU)[None, None]
        for axis in range(3):
            kernel = taps.view([5 if a == axis else 1 for a in range(3)])[None, None]
            padding = [2 if a == axis else 0 for a in range(3)]
            hu = F.conv3d(hu, kernel, padding=padding)
        return hu[0, 0] + AIR_HU


CONTROL_MM = 40.0


def chosen(rng, change):
    """Whether a change of the recipe, which may lack it, is made this time."""
    return change is not None and rng.random() < change["probability"]


def bend(rng, patch, spacing, most_mm):
    """Displacements [z, y, x, 3] in voxels: a cubic B-spline over control points 40 mm apart.

    The control points are moved by normal draws of one deviation, itself drawn up to `most_mm`;
    what lies between them moves by about a third of it.
    """
    bases = [spline_basis(n, CONTROL_MM / step) for n, step in zip(patch, spacing)]
    moves = rng.standard_normal((*(b.shape[1] for b in bases), 3)) * rng.uniform(0, most_mm)
    moves = torch.tensor(moves / spacing, dtype=torch.float32)
    for basis in bases:  # the axis just done goes behind the two that are left
        moves = torch.einsum("nk,kabc->abnc", basis, moves)
    return moves


def spline_basis(count, distance):
    """Cubic B-spline weights [count, controls] of control points `distance` voxels apart."""
    place = torch.arange(count) / distance
    first, t = place.long(), place - place.long()
    weights = torch.stack(
        ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3), 1
    )
    basis = torch.zeros(count, int(first[-1]) + 4)
    return basis.scatter_(1, first[:, None] + torch.arange(4), weights / 6)


def coarsen(hu, shares):
    """The patch as a scan of `shares` as many voxels per axis shows it, interpolated linearly."""
    for axis, share in enumerate(shares):
        size = hu.shape[axis]
        fewer = max(1, round(size * share))
        hu = hu.movedim(axis, -1)
        flat = hu.reshape(1, -1, size)
        flat = F.interpolate(flat, fewer, mode="linear", align_corners=False)
        flat = F.interpolate(flat, size, mode="linear", align_corners=False)
        hu = flat.reshape(hu.shape).movedim(-1, axis)
    return hu.contiguous()


def raise_grey(image, power, normalization):
    """Values, as shares of the range that they are clipped to, to a power."""
    low, high = (
        (normalization[side] - normalization["mean"]) / normalization["std"]
        for side in ("clip_low", "clip_high")
    )
    share = ((image - low) / (high - low)).clamp(0, 1)
    return low + (high - low) * share**power
