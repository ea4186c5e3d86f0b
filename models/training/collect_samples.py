"""Make a training folder of synthetic sample patients.

    python collect_samples.py DUMPS --out DATA --train 101 102 --valid 201

`DUMPS` holds for each seed N: `seed_N.hu` (int16, little endian) and
`seed_N.lab` (uint8), [z, y, x] in LPS at 3 x 0.977 x 0.977 mm, and `seed_N.txt`
with `dims [nx, ny, nz]` and lines `label name r,g,b`. Label 0 is outside the
body, 1 is body that no organ claims. Everything outside the body becomes air,
organs below 5 cc in the first patient join the background, the others are
numbered from 1. Also prints the `[[labels]]` tables for a configuration.
"""

import argparse
import json
import re
from pathlib import Path

import nibabel
import numpy as np

SPACING = (3.0, 500 / 512, 500 / 512)
SMALLEST_ML = 5.0


def read_dump(folder, seed):
    """HU with air outside the body, labels, and {label: (name, colour)} without the body."""
    text = (folder / f"seed_{seed}.txt").read_text()
    nx, ny, nz = map(int, re.search(r"dims \[(\d+), (\d+), (\d+)\]", text).groups())
    hu = np.fromfile(folder / f"seed_{seed}.hu", "<i2").reshape(nz, ny, nx)
    labels = np.fromfile(folder / f"seed_{seed}.lab", np.uint8).reshape(nz, ny, nx)
    table = re.findall(r"^(\d+) (\w+) (\d+),\s*(\d+),\s*(\d+)", text, re.M)
    organs = {int(v): (name, [int(c) for c in rgb]) for v, name, *rgb in table if int(v) > 1}
    hu[labels == 0] = -1000
    return hu, labels, organs


def write_nifti(array, path):
    """[z, y, x] in LPS, written as NIfTI's RAS."""
    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dumps", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, nargs="+", required=True)
    parser.add_argument("--valid", type=int, nargs="+", default=[])
    arguments = parser.parse_args()
    table, patients = None, []
    for seed in arguments.train + arguments.valid:
        split = "train" if seed in arguments.train else "valid"
        patients.append({"id": f"seed_{seed}", "split": split})
        folder = arguments.out / split / f"seed_{seed}"
        if table is not None and (folder / "labels.nii").exists():
            continue
        hu, labels, organs = read_dump(arguments.dumps, seed)
        if table is None:
            counts = np.bincount(labels.ravel(), minlength=256) * np.prod(SPACING) / 1000
            kept = [v for v in sorted(organs) if counts[v] > SMALLEST_ML]
            table = np.zeros(256, np.uint8)
            table[kept] = np.arange(1, len(kept) + 1)
            for value, label in enumerate(kept, 1):
                name, color = organs[label]
                print(f'\n[[labels]] # {counts[label]:.0f} cc\nvalue = {value}\nname = "{name}"')
                print(f'type = "ORGAN"\ncolor = {color}\nkeep_largest = true')
            names = {str(value): organs[label][0] for value, label in enumerate(kept, 1)}
        folder.mkdir(parents=True, exist_ok=True)
        write_nifti(hu, folder / "ct.nii")
        write_nifti(table[labels], folder / "labels.nii")
    index = {"labels": names, "patients": patients}
    (arguments.out / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
