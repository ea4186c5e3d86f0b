"""How good the program's own contours are on a split, organ by organ.

    python measure.py head-neck.toml --program delineo --data DATA

Runs `delineo contour` and `delineo compare` for every patient: what is measured is what
a person gets, post-processing included. Dice, surface Dice at a tolerance, the 95th
percentile of the surface distance and the distance of the centroids, over organs that
were annotated and lie wholly inside the scan; 95 % bootstrap intervals over patients.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

import nibabel
import numpy as np

from evaluate import interval


def centroid_mm(labels, value, affine):
    voxels = np.argwhere(labels == value)
    return affine[:3, :3] @ voxels.mean(0) + affine[:3, 3] if len(voxels) else None


def measure(program, model, folder, names, tolerance, device):
    """Name -> (Dice, surface Dice, HD95 mm, centroid distance mm) of one patient; no result is 0."""
    with tempfile.TemporaryDirectory() as made:
        made = Path(made)
        found, truth = made / "found.nii.gz", made / "truth.nii.gz"
        truth.symlink_to((folder / "labels.nii.gz").resolve())
        (made / "truth.json").write_text(json.dumps(names))
        ct = folder / "ct.nii.gz"
        quiet = {"check": True, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        contour = [program, "contour", ct, "--model", model, "--labels", found, "--device", device]
        subprocess.run(contour, **quiet)
        compare = [program, "compare", found, truth, "--image", ct, "--tolerance", str(tolerance), "--json"]
        rois = json.loads(subprocess.run(compare, **quiet).stdout)["rois"]
        image = nibabel.load(truth)
        maps = [np.asarray(i.dataobj) for i in (nibabel.load(found), image)]
        result = {}
        for roi in rois:
            value = next(int(v) for v, n in names.items() if n == roi["name"])
            centres = [centroid_mm(m, value, image.affine) for m in maps]
            apart = np.inf if any(c is None for c in centres) else np.linalg.norm(centres[0] - centres[1])
            numbers = [roi["dice"], roi["surface_dice"], roi["hd95_mm"]]
            result[roi["name"]] = [*numbers, float(apart)]
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--program", default="delineo")
    parser.add_argument("--model", help="default: the configuration's id")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--tolerance", type=float, default=3.0, help="mm")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the numbers of each patient here")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    index = json.loads((arguments.data / "index.json").read_text())
    per_patient = {}
    for patient in index["patients"]:
        if patient["split"] != arguments.split or not patient.get("usable", True):
            continue
        folder = arguments.data / arguments.split / patient["id"]
        scores = measure(
            arguments.program,
            arguments.model or config["id"],
            folder,
            index["labels"],
            arguments.tolerance,
            arguments.device,
        )
        whole = set(patient["annotated"]) - set(patient["truncated"])
        per_patient[patient["id"]] = {n: s for n, s in scores.items() if n in whole and s[0] is not None}
    print(f"| organ | patients | mean Dice | 95 % interval | surface Dice {arguments.tolerance:g} mm | median HD95, mm |")
    print("|---|---|---|---|---|---|")
    means, far = [], []
    for label in config["labels"]:
        name = label["name"]
        rows = {i: p[name] for i, p in per_patient.items() if name in p}
        if not rows:
            continue
        dice, surface, hd95 = (np.array([r[k] if r[k] is not None else v for r in rows.values()])
                               for k, v in ((0, 0.0), (1, 0.0), (2, np.inf)))
        low, high = interval(dice)
        means.append(dice.mean())
        far += [f"{name} of {i} {r[3]:.0f} mm" for i, r in rows.items() if r[3] > 20]
        print(f"| {name} | {len(dice)} | {dice.mean():.3f} | {low:.3f} to {high:.3f} "
              f"| {surface.mean():.3f} | {np.median(hd95):.1f} |")
    print(f"| mean of the {len(means)} organs' means | | {np.mean(means):.3f} | | | |")
    print(f"\n{len(per_patient)} patients; centroids more than 20 mm apart: {', '.join(far) or 'none'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(per_patient, indent=1))


if __name__ == "__main__":
    main()
