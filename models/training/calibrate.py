"""What a model's own probabilities are worth: raw score against Dice, on the validation patients.

    python calibrate.py head-neck.toml --weights runs/head-neck/checkpoint.pt --data DATA > calibration.toml

Prints TOML for `export.py --calibration`: for each label the tables that turn a raw score
into the Dice to be expected, of the ROI and of a slice, and what an organ must have to be
in an image at all (`min_cc`, `max_cc`, `min_score`). How well the tables hold on patients
they were not made from goes to standard error.

The raw score is the Dice that the probabilities expect of their own mask M,
2 sum(p over M) / (sum(p) + |M|), over the slices with M, in a box 16 mm around it
(src/ai/agreement.rs).
"""

import sys

import numpy as np
import torch

from evaluate import model_parser, open_model
from export import toml_table
from inference import largest_piece, probability_planes
from volumes import AIR_HU, read_split

REACH_MM = 16.0
KNOTS = 8
# Observations that the table of all organs counts for beside an organ's own.
PRIOR = {"roi": 5, "slice": 100}
# Robust standard deviations of the logarithm of an organ's volume, and what is allowed beyond.
FARTHEST, BEYOND = 3.0, 1.5
# A contour that meets its organ at all.
FOUND_DICE = 0.3
# Below the least score of a contour that was found.
SCORE_MARGIN = 0.05


def sums(mask, share, spacing):
    """sum(p over M), sum(p), |M| of a slice [y, x]."""
    rows, columns = np.nonzero(mask)
    box = tuple(
        slice(max(0, int(at.min()) - reach), int(at.max()) + reach + 1)
        for at, reach in zip((rows, columns), (int(np.ceil(REACH_MM / s)) for s in spacing[1:]))
    )
    return np.array([share[mask].sum(), share[box].sum(), mask.sum()], float)


def score(parts):
    return float(np.clip(2 * parts[0] / (parts[1] + parts[2]), 0, 1))


def contour(probabilities, label, labels, body):
    """Mask and probabilities of an organ with all that its contours hold."""
    inside = [label["value"]] + [
        other["value"] for other in labels if other["name"] in label.get("includes", [])
    ]
    share = probabilities[inside].sum(0)
    others = [c for c in range(len(probabilities)) if c not in inside]
    # The first of equals wins, and background is the first.
    mask = (share > probabilities[others].max(0)) & body
    if label.get("keep_largest") or label.get("pieces") == 1:
        kept = largest_piece(mask)
        share = np.where(mask & ~kept, 0, share)
        mask = kept
    return mask, np.where(body, share, 0)


def observations(network, patients, config):
    """Rows (patient, label, raw score, Dice) of ROIs, and of their slices."""
    rois, slices = [], []
    for patient in patients:
        planes = probability_planes(network, patient.hu, patient.spacing, config)
        probabilities = torch.stack(list(planes), 1).numpy()
        body = patient.hu >= AIR_HU + 1
        of = {label["name"]: label for label in config["labels"]}
        for label in config["labels"]:
            value = label["value"]
            inside = [value] + [of[name]["value"] for name in label.get("includes", [])]
            if not set(inside) <= patient.annotated:
                continue
            mask, share = contour(probabilities, label, config["labels"], body)
            truth = np.isin(patient.labels, inside)
            total = np.zeros(3)
            for z in np.nonzero(mask.any((1, 2)))[0]:
                parts = sums(mask[z], share[z], patient.spacing)
                total += parts
                # Where the clinic drew nothing, it may have stopped by convention: not judged.
                if truth[z].any():
                    dice = 2 * (mask[z] & truth[z]).sum() / (mask[z].sum() + truth[z].sum())
                    slices.append((patient.id, value, score(parts), float(dice)))
            if mask.any() and truth.any() and value not in patient.truncated:
                dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
                rois.append((patient.id, value, score(total), float(dice)))
        print(patient.id, file=sys.stderr, end=" ", flush=True)
    print(file=sys.stderr)
    kind = [("patient", "U32"), ("label", int), ("raw", float), ("dice", float)]
    return np.array(rois, kind), np.array(slices, kind)


def isotonic(values):
    """The closest rising sequence (pool adjacent violators)."""
    blocks = []
    for value in values:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    return np.concatenate([np.full(n, value) for value, n in blocks])


def tables(rows, prior):
    """Label value (or None for all) -> pairs of raw score and expected Dice, both rising.

    One isotonic curve over all organs, in a few knots; each organ's is moved by its own mean
    residual, which counts the less the fewer there are.
    """
    rows = np.sort(rows, order=["raw", "dice"])
    bins = [b for b in np.array_split(np.arange(len(rows)), KNOTS) if len(b)]
    raw = np.array([rows["raw"][b].mean() for b in bins])
    dice = isotonic([rows["dice"][b].mean() for b in bins])
    keep = np.concatenate([[True], np.diff(np.round(raw, 4)) > 0])
    raw, dice = raw[keep], dice[keep]
    made = {None: (raw, dice)}
    for label in np.unique(rows["label"]):
        own = rows[rows["label"] == label]
        moved = (own["dice"] - np.interp(own["raw"], raw, dice)).sum() / (len(own) + prior)
        made[int(label)] = (raw, np.clip(dice + moved, 0, 1))
    return made


def expected(table, label, raw):
    return np.interp(raw, *table.get(label, table[None]))


def held_out(rows, prior):
    """The expected Dice of each row by tables made without its patient."""
    found = np.empty(len(rows))
    for patient in np.unique(rows["patient"]):
        own = rows["patient"] == patient
        table = tables(rows[~own], prior)
        found[own] = [expected(table, int(r["label"]), r["raw"]) for r in rows[own]]
    return found


def calibration_error(said, dice, bins=10):
    """Mean distance between what was said and what came, over bins of equally many (ECE)."""
    order = np.argsort(said, kind="stable")
    parts = [p for p in np.array_split(order, bins) if len(p)]
    return sum(abs(said[p].mean() - dice[p].mean()) * len(p) for p in parts) / len(said)


def report(rows, prior, what):
    said = held_out(rows, prior)
    rank = np.corrcoef(np.argsort(np.argsort(said)), np.argsort(np.argsort(rows["dice"])))[0, 1]
    print(
        f"{what}: {len(rows)} of {len(np.unique(rows['patient']))} patients; left out one by one, "
        f"calibration error {calibration_error(said, rows['dice']):.3f} "
        f"(raw {calibration_error(rows['raw'], rows['dice']):.3f}), mean absolute error "
        f"{np.abs(said - rows['dice']).mean():.3f}, rank correlation {rank:.2f}",
        file=sys.stderr,
    )


def volume_limits(patients, config):
    """Label value -> (min_cc, max_cc), of whole organs of the training patients."""
    volumes, of = {}, {label["name"]: label["value"] for label in config["labels"]}
    for patient in patients:
        for label in config["labels"]:
            inside = {label["value"]} | {of[name] for name in label.get("includes", [])}
            size = np.isin(patient.labels, list(inside)).sum() * np.prod(patient.spacing) / 1000
            if inside <= patient.annotated and not inside & patient.truncated and size > 0:
                volumes.setdefault(label["value"], []).append(size)
    limits = {}
    for value, own in volumes.items():
        logs = np.log(own)
        middle = np.median(logs)
        # Of few patients the spread is not known: at least that of 20 %.
        deviation = max(1.4826 * np.median(np.abs(logs - middle)), 0.2)
        least, greatest = (np.exp(middle + side * FARTHEST * deviation) for side in (-1, 1))
        limits[value] = (float(least / BEYOND), float(greatest * BEYOND))
    return limits


def rounded(table):
    return [[round(float(raw), 4), round(float(dice), 4)] for raw, dice in zip(*table)]


def main():
    arguments = model_parser(__doc__.splitlines()[0]).parse_args()
    config, network, root, patients = open_model(arguments)
    rois, slices = observations(network, patients, config)
    report(rois, PRIOR["roi"], "ROIs")
    report(slices, PRIOR["slice"], "slices")
    of_rois, of_slices = tables(rois, PRIOR["roi"]), tables(slices, PRIOR["slice"])
    limits = volume_limits(read_split(root, "train"), config)
    print(f"# Made by calibrate.py on {len(np.unique(rois['patient']))} patients.", end="")
    for label in config["labels"]:
        value, entry = label["value"], {"name": label["name"]}
        if value in limits:
            entry["min_cc"], entry["max_cc"] = (round(cc, 2) for cc in limits[value])
        own = rois[(rois["label"] == value) & (rois["dice"] >= FOUND_DICE)]
        if len(own):
            entry["min_score"] = round(max(0.0, float(own["raw"].min()) - SCORE_MARGIN), 3)
        entry["confidence"] = rounded(of_rois.get(value, of_rois[None]))
        entry["slice_confidence"] = rounded(of_slices.get(value, of_slices[None]))
        print(toml_table("[[labels]]", entry), end="")


if __name__ == "__main__":
    main()
