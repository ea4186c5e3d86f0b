"""Make a training folder of synthetic sample patients.

    python collect_samples.py sample-body.toml --program delineo --out DATA --train 101 102 --valid 201

For each seed the program writes the patient (`delineo sample`) and the label map
of the reference structures (`delineo convert`). Everything outside the body
becomes air; the configuration's organs take its label values, everything else
is background. Warns of organs above 5 cc that the configuration lacks.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import pydicom

SMALLEST_ML = 5.0


def read_sample(program, seed, folder):
    """HU [z, y, x] with air outside the body, labels on the same grid, their names, the NIfTI affine."""
    labels = folder / "labels.nii"
    subprocess.run([program, "sample", folder, "--seed", str(seed)], check=True, capture_output=True)
    subprocess.run(
        [program, "convert", folder / "reference.dcm", "--image", folder / "CT", "--out", labels],
        check=True,
        capture_output=True,
    )
    slices = [pydicom.dcmread(path) for path in (folder / "CT").iterdir()]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    hu = np.stack([s.pixel_array * s.RescaleSlope + s.RescaleIntercept for s in slices]).astype(np.int16)
    image = nibabel.load(labels)
    names = {int(v): n for v, n in json.loads(labels.with_suffix(".json").read_text()).items()}
    values = np.asarray(image.dataobj).transpose(2, 1, 0)
    if values.shape != hu.shape or image.affine[2, 2] < 0:
        raise ValueError(f"seed {seed}: labels {values.shape} do not lie on the images {hu.shape}")
    hu[values == 0] = -1000
    return hu, values, names, image.affine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--program", default="delineo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, nargs="+", required=True)
    parser.add_argument("--valid", type=int, nargs="+", default=[])
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    value_of = {label["name"]: label["value"] for label in config["labels"]}
    patients, volumes = [], {}
    for seed in arguments.train + arguments.valid:
        split = "train" if seed in arguments.train else "valid"
        patients.append({"id": f"seed_{seed}", "split": split})
        folder = arguments.out / split / f"seed_{seed}"
        if (folder / "labels.nii").exists():
            continue
        with tempfile.TemporaryDirectory() as made:
            hu, labels, names, affine = read_sample(arguments.program, seed, Path(made))
        table = np.zeros(max(names) + 1, np.uint8)
        counts = np.bincount(labels.ravel(), minlength=len(table))
        for value, name in names.items():
            table[value] = value_of.get(name, 0)
            volumes.setdefault(name, []).append(counts[value] * abs(np.linalg.det(affine)) / 1000)
        folder.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0), affine), folder / "ct.nii")
        nibabel.save(nibabel.Nifti1Image(table[labels].transpose(2, 1, 0), affine), folder / "labels.nii")
    for name, cc in volumes.items():
        if name not in value_of and name != "Body" and np.mean(cc) > SMALLEST_ML:
            print(f"{name} is not in the configuration, on average {np.mean(cc):.1f} cc")
    index = {"labels": {str(v): n for n, v in value_of.items()}, "patients": patients}
    (arguments.out / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
