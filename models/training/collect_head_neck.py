"""Merge the clinical contours with the atlas contours of the same patients.

    python collect_head_neck.py head-neck.toml --clinical .../head-neck --atlas .../head-neck-21 \
        --evidence train.json --out DATA

`--clinical` holds the patients with up to seven organs, `--atlas` 13 of them outlined
by an oncologist to one atlas. A patient of the atlas takes all organs from it and only
oesophagus and larynx, which it lacks, from the clinical contours; lenses count as eye.
The images are linked, not copied.

A clinical contour is left out as unknown when its volume lies more than three robust
standard deviations (of the logarithm, over whole organs of the training patients) from
the median: such outlines are stubs or hold their neighbours. With `--evidence`, the numbers
of an earlier network on the training patients (`measure.py --split train --json`), one is left
out too whose Dice lies more than three robust standard deviations below the organ's median:
such outlines are displaced, for the network met each patient too seldom to learn it by heart.
"""

import argparse
import json
import tomllib
from pathlib import Path

import nibabel
import numpy as np

FARTHEST = 3.0
PART_OF = {"Lens_L": "Eye_L", "Lens_R": "Eye_R"}


def volume_limits(index):
    """Name -> (smallest, greatest) plausible volume, ml."""
    limits = {}
    for name in index["labels"].values():
        volumes = [
            p["organs"][name]["volume_ml_full"]
            for p in index["patients"]
            if p["split"] == "train" and name in p["annotated"] and name not in p["truncated"]
        ]
        logs = np.log(np.maximum(volumes, 1e-3))
        middle = np.median(logs)
        deviation = 1.4826 * np.median(np.abs(logs - middle))
        limits[name] = tuple(np.exp(middle + side * FARTHEST * deviation) for side in (-1, 1))
    return limits


def displaced(evidence):
    """Name -> the patients whose contour an earlier network does not find there."""
    found = {}
    for name in {name for scores in evidence.values() for name in scores}:
        dice = {patient: scores[name][0] for patient, scores in evidence.items() if name in scores}
        middle = np.median(list(dice.values()))
        deviation = 1.4826 * np.median(np.abs(np.array(list(dice.values())) - middle))
        found[name] = {p for p, own in dice.items() if own < middle - FARTHEST * deviation}
    return found


def clinical_entry(patient, limits, elsewhere):
    """The index entry of a clinical patient without poor contours, and their names."""
    poor = [
        name
        for name in patient["annotated"]
        if patient["id"] in elsewhere.get(name, ())
        or name not in patient["truncated"]
        and not limits[name][0] <= patient["organs"][name]["volume_ml_full"] <= limits[name][1]
    ]
    annotated = [name for name in patient["annotated"] if name not in poor]
    entry = {k: patient[k] for k in ("id", "split", "usable")}
    return entry | {"annotated": annotated, "truncated": patient["truncated"]}, poor


def with_atlas(entry, labels, atlas, atlas_labels, clinical_names, atlas_names, value_of):
    """The merged label map (array as stored) and index entry of a patient of the atlas."""
    merged = np.zeros(labels.shape, np.uint8)
    for value, name in atlas_names.items():
        merged[atlas_labels == value] = value_of.get(PART_OF.get(name, name), 0)
    named = set(atlas["complete"]) | set(atlas["truncated"]) | set(atlas["outside"])
    annotated = {n for n in named - set(atlas["absent_in_deepmind"]) if n in value_of}
    truncated = {n for n in atlas["truncated"] if n in value_of}
    for value, name in clinical_names.items():
        if name in entry["annotated"] and name not in atlas_names.values():
            merged[(labels == value) & (merged == 0)] = value_of[name]
            annotated.add(name)
            truncated |= {name} & set(entry["truncated"])
    return merged, entry | {"annotated": sorted(annotated), "truncated": sorted(truncated)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--clinical", type=Path, required=True)
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--evidence", type=Path, help="numbers by measure.py on the training patients")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    value_of = {label["name"]: label["value"] for label in config["labels"]}
    clinical = json.loads((arguments.clinical / "index.json").read_text())
    atlas = json.loads((arguments.atlas / "index.json").read_text())
    of_atlas = {patient["id"]: patient for patient in atlas["patients"]}
    names = [{int(v): n for v, n in index["labels"].items()} for index in (clinical, atlas)]
    limits = volume_limits(clinical)
    evidence = arguments.evidence and json.loads(arguments.evidence.read_text())
    elsewhere = displaced(evidence or {})
    patients = []
    for patient in clinical["patients"]:
        source = arguments.clinical / patient["split"] / patient["id"]
        folder = arguments.out / patient["split"] / patient["id"]
        folder.mkdir(parents=True, exist_ok=True)
        image = nibabel.load(source / "labels.nii.gz")
        labels = np.asarray(image.dataobj)
        training = patient["split"] == "train"
        entry, poor = clinical_entry(patient, limits, elsewhere)
        if training and poor:
            print(f"{patient['id']}: {', '.join(poor)} left out")
        elif not training:  # judged against every contour there is
            entry["annotated"] = patient["annotated"]
        table = np.array([0] + [value_of[names[0][v]] for v in sorted(names[0])], np.uint8)
        merged = table[labels]
        if training and patient["id"] in of_atlas:
            outlined = of_atlas[patient["id"]]
            file = arguments.atlas / outlined["split"] / patient["id"] / "labels21.nii.gz"
            atlas_labels = np.asarray(nibabel.load(file).dataobj)
            merged, entry = with_atlas(entry, labels, outlined, atlas_labels, *names, value_of)
        nibabel.save(nibabel.Nifti1Image(merged, image.affine), folder / "labels.nii.gz")
        link = folder / "ct.nii.gz"
        link.unlink(missing_ok=True)
        link.symlink_to((source / "ct.nii.gz").resolve())
        patients.append(entry)
    index = {"labels": {str(v): n for n, v in value_of.items()}, "patients": patients}
    (arguments.out / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
