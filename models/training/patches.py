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
        """Shift and scale HU, blur, add noise, normalise. Air outside stays air."""
        augment = self.augment
        outside = hu < AIR_HU + 1
        if rng.random() < 0.15:
            hu = self.blur(hu, rng.uniform(0.3, 0.8))
        hu = hu * rng.uniform(*augment["hu_scale"]) + rng.uniform(-1, 1) * augment["hu_shift"]
        if rng.random() < 0.3:
            noise = torch.from_numpy(rng.standard_normal(hu.shape, dtype=np.float32))
            hu = hu + noise * rng.uniform(0, augment["hu_noise"])
        hu[outside] = AIR_HU
        return normalise(hu, self.normalization)

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
