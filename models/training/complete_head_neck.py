"""Give training patients the outlines they lack, from an earlier network.

    python complete_head_neck.py head-neck.toml --data DATA --model ../head-neck/model.toml --out COMPLETE

Most organs are outlined in a part of the patients only, the eyes in four. An organ that is
unknown in a training patient takes the earlier network's outline (tiles overlap by a quarter,
the image alone) where that one is plausible by what observers outlined: its volume lies between
the least and the greatest of them, a tenth less and more, and it ends inside the scan; of organs
that the scans cut (`CUT`) its place in the scan is not asked for and only the least volume counts.
Only voxels of the background are filled, so no observer's outline changes; what else is
implausible stays unknown. Validation patients are linked as they are.
"""

import argparse
import json
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import torch

from evaluate import load_network
from inference import segment
from volumes import read_split

CUT = {"Brain", "SpinalCord", "SpinalCanal", "Esophagus", "Lung_L", "Lung_R"}
INSIDE = {"SpinalCord": "SpinalCanal", "Brainstem": "Brain"}
TOLERANCE = 0.1


def observed(patients, labels):
    """Name -> (least, greatest) volume in ml of the outlines; whole ones where scans do not cut it."""
    found = {}
    for patient in patients:
        for label in labels:
            value, name = label["value"], label["name"]
            whole = value not in patient.truncated
            if value in patient.annotated and (whole or name in CUT):
                ml = (patient.labels == value).sum() * np.prod(patient.spacing) / 1000
                if ml > 0:
                    found.setdefault(name, []).append(ml)
    return {
        name: (min(ml) * (1 - TOLERANCE), np.inf if name in CUT else max(ml) * (1 + TOLERANCE))
        for name, ml in found.items()
    }


def complete(patient, proposed, labels, limits):
    """The patient's label map with plausible proposals filled in, and the names of these."""
    done, filled = patient.labels.copy(), []
    for label in labels:
        value, name = label["value"], label["name"]
        mask = proposed == value
        ml = mask.sum() * np.prod(patient.spacing) / 1000
        cut = any(mask.take(end, axis).any() for axis in range(3) for end in (0, -1))
        low, high = limits[name]
        if value in patient.annotated or not low <= ml <= high or (cut and name not in CUT):
            continue
        done[mask & (done == 0)] = value
        filled.append(name)
    # What the network gave an organ inside, and its observer left out, is of the one around it.
    values = {label["name"]: label["value"] for label in labels}
    for inner, outer in INSIDE.items():
        if outer in filled and inner not in filled:
            done[(proposed == values[inner]) & (done == 0)] = values[outer]
    return done, filled


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="an earlier package's model.toml")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    labels = tomllib.loads(arguments.config.read_text())["labels"]
    model = tomllib.loads(arguments.model.read_text())
    model["inference"] |= {"step": 0.75, "mirror_axes": []}
    network = load_network(model, arguments.model.parent / model["weights"]["file"])
    torch.set_num_threads(1)
    limits = observed(read_split(arguments.data, "train"), labels)
    print("\n".join(f"{name}: {low:.1f} to {high:.1f} ml" for name, (low, high) in limits.items()))
    index = json.loads((arguments.data / "index.json").read_text())
    entries = {patient["id"]: patient for patient in index["patients"]}
    for entry in index["patients"]:
        source = (arguments.data / entry["split"] / entry["id"]).resolve()
        folder = arguments.out / entry["split"] / entry["id"]
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("ct.nii.gz", "labels.nii.gz"):
            (folder / file).unlink(missing_ok=True)
            (folder / file).symlink_to(source / file)
    for patient in read_split(arguments.data, "train"):
        with torch.autocast("cpu", torch.bfloat16):
            proposed = segment(network, patient.hu, patient.spacing, model)
        done, filled = complete(patient, proposed, labels, limits)
        print(f"{patient.id}: {', '.join(filled) or 'nothing'} filled in", flush=True)
        if not filled:
            continue
        file = arguments.out / "train" / patient.id / "labels.nii.gz"
        stored = nibabel.as_closest_canonical(nibabel.load(file))
        file.unlink()
        back = done.transpose(2, 1, 0)[::-1, ::-1, :]
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(back), stored.affine), file)
        entry = entries[patient.id]
        entry["annotated"] = sorted({*entry["annotated"], *filled})
        entry["truncated"] = sorted({*entry["truncated"], *(CUT & {*filled})})
    (arguments.out / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
