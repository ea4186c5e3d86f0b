"""Whether the program's own contours stay when the same patient is scanned or stored in another way.

    python robust.py head-neck.toml --program delineo --data DATA --patients pt_202 pt_236 --json robust.json

Makes the guises of `disturb.py` of each patient, runs `delineo contour` on them and on the
scan as it is, and prints tables (Markdown): Dice against the program's contours on the scan
as it is, carried over, and against the reference; organs lost, invented, on the wrong side,
more than 20 mm off. What was measured is kept in the JSON file patient by patient; a second
run adds what is missing, `--table` prints it alone. Start a new file for a new model.
`--others` are images of other regions (a NIfTI file or a folder of DICOM).

What is left of an organ counts where the guise shows it, 20 mm away from a cut. Lost: at
least half of it is there and it was not found. Invented: none of it is there, or neither
the contours of the scan as it is nor the reference have it.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from disturb import GUISES, Scan

FAR_MM = 20.0
# Of a scan this share of an organ must be there for it to be found, and less is nothing of it.
THERE, GONE = 0.5, 0.02


def contour(program, model, image, device):
    """What the program found: the label map, its affine, and its document; the error where it stopped."""
    with tempfile.TemporaryDirectory() as made:
        labels = Path(made) / "labels.nii.gz"
        command = [program, "contour", image, "--model", model, "--labels", labels, "--device", device, "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return None, None, {"error": done.stderr.strip().splitlines()[-1]}
        found = nibabel.load(labels)
        document = json.loads(done.stdout)
        return np.asarray(found.dataobj).astype(np.uint8), found.affine, document


def contour_guise(program, model, guise, device):
    with tempfile.TemporaryDirectory() as made:
        image = Path(made) / "ct.nii"
        nifti = nibabel.Nifti1Image(guise.hu, guise.affine)
        nifti.header.set_xyzt_units("mm")
        nibabel.save(nifti, image)
        return contour(program, model, image, device)


def voxels_in(scan, guise):
    """The place of each voxel of the scan in the guise's voxels, [3, x, y, z]."""
    to = np.linalg.inv(guise.affine) @ guise.moved @ scan.affine
    at = np.stack(np.meshgrid(*(np.arange(n) for n in scan.hu.shape), indexing="ij")).astype(np.float32)
    return np.tensordot(to[:3, :3], at, 1) + to[:3, 3, None, None, None]


def seen(at, guise, inset=False):
    """Which voxels the guise shows; `inset`: away from its cuts."""
    inside = np.ones(at.shape[1:], bool)
    for axis, count in enumerate(guise.hu.shape):
        inside &= (at[axis] > -0.5) & (at[axis] < count - 0.5)
    if inset:
        for axis, is_high in guise.cuts:
            voxels = guise.inset_mm / np.linalg.norm(guise.affine[:3, axis])
            inside &= (at[axis] < guise.hu.shape[axis] - 1 - voxels) if is_high else (at[axis] > voxels)
    return inside


def carried(labels, at, values):
    """The guise's labels at the scan's voxels: the label of the greatest share."""
    best = np.full(at.shape[1:], 0.5, np.float32)
    result = np.zeros(at.shape[1:], np.uint8)
    for value in values:
        is_it = labels == value
        if not is_it.any():
            continue
        filled = ndimage.find_objects(is_it.astype(np.uint8))[0]
        near = np.ones(at.shape[1:], bool)
        for axis, side in enumerate(filled):
            near &= (at[axis] > side.start - 1) & (at[axis] < side.stop)
        places = at[:, near]
        share = ndimage.map_coordinates(is_it.astype(np.float32), places, order=1, mode="nearest")
        wins = share >= best[near]
        best[near] = np.where(wins, share, best[near])
        result[near] = np.where(wins, value, result[near])
    return result


def dice(a, b):
    size = a.sum() + b.sum()
    return float(2 * (a & b).sum() / size) if size else None


def middle(mask, affine):
    return affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3] if mask.any() else None


def hold(scan, own, truth, guise, found, names, complete):
    """One guise's numbers, organ by organ, and what is wrong with it."""
    at = voxels_in(scan, guise)
    there, counts = seen(at, guise), seen(at, guise, inset=True)
    values = {name: value for value, name in names.items()}
    mapped = carried(found, at, names)
    result = {"organs": {}, "lost": [], "invented": [], "swapped": [], "far": []}
    for value, name in names.items():
        mine, his, reference = own == value, found == value, truth == value
        was = mine & there
        share = was.sum() / max(1, mine.sum())
        numbers = {}
        if his.any() and not mine.any() and not reference.any():
            result["invented"].append(f"{name}, nowhere else")
        elif his.any() and share < GONE and not (reference & there).any():
            result["invented"].append(name)
        if mine.any() and share >= THERE:
            if not his.any():
                result["lost"].append(name)
            if (mine & counts).any():
                numbers["own"] = dice(mine & counts, (mapped == value) & counts)
            apart = middle(was, scan.affine), middle((mapped == value) & there, scan.affine)
            if all(m is not None for m in apart):
                numbers["apart_mm"] = float(np.linalg.norm(apart[0] - apart[1]))
                if numbers["apart_mm"] > FAR_MM:
                    result["far"].append(f"{name} {numbers['apart_mm']:.0f} mm")
        if value in complete and reference.any() and (reference & there).sum() >= 0.98 * reference.sum():
            numbers["truth"] = dice(reference, mapped == value)
            numbers["truth_unchanged"] = dice(reference, mine)
        other = name[:-2] + {"_L": "_R", "_R": "_L"}.get(name[-2:], "")
        if his.any() and other in values and other != name:
            beyond = (mapped == value) & (own == values[other])
            if beyond.sum() > 0.1 * max(1, (mapped == value).sum()):
                result["swapped"].append(name)
        if numbers:
            result["organs"][name] = numbers
    return result


def corners(labels, names, affine):
    """Organ -> its lowest corner, middle and highest corner, mm; the affine grows along the axes."""
    made = {}
    for value, name in names.items():
        at = np.argwhere(labels == value)
        if len(at):
            made[name] = [affine[:3, :3] @ v + affine[:3, 3] for v in (at.min(0), at.mean(0), at.max(0))]
    return made


def measure(arguments, entry, index, names, kept, save):
    folder = arguments.data / arguments.split / entry["id"]
    image = nibabel.as_closest_canonical(nibabel.load(folder / "ct.nii.gz"))
    truth = np.asarray(nibabel.as_closest_canonical(nibabel.load(folder / "labels.nii.gz")).dataobj)
    scan = Scan(np.asarray(image.dataobj).astype(np.int16), image.affine)
    own, _, document = contour_guise(arguments.program, arguments.model, scan, arguments.device)
    if own is None:
        raise SystemExit(f"{entry['id']}: {document['error']}")
    scan.organs = corners(own, names, scan.affine)
    value_of = {name: int(value) for value, name in index["labels"].items()}
    complete = {value_of[n] for n in set(entry["annotated"]) - set(entry["truncated"])}
    for name, makers in GUISES.items():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        for number, make in enumerate(makers):
            key = f"{name} #{number}"
            if key in kept:
                continue
            guise = make(scan)
            if guise is None:
                continue
            found, affine, document = contour_guise(arguments.program, arguments.model, guise, arguments.device)
            if found is None:
                kept[key] = document
            elif found.shape != guise.hu.shape or not np.allclose(affine, guise.affine, atol=1e-3):
                kept[key] = {"error": "the label map is on another grid"}
            else:
                kept[key] = hold(scan, own, truth, guise, found, names, complete)
            said = {k: v for k, v in kept[key].items() if k != "organs" and v}
            print(f"{entry['id']} {key}: {said or 'well'}", flush=True)
            save()


def described(paths, arguments):
    """What was found in images of other regions."""
    lines = []
    for path in paths:
        _, _, document = contour(arguments.program, arguments.model, path, arguments.device)
        rois = [f"{r['name']} ({r['volume_cc']:.0f} cc)" for r in document.get("rois", [])]
        lines.append([str(path), document.get("error") or ", ".join(rois) or "nothing"])
    return lines


def mean(values):
    values = [v for v in values if v is not None]
    return f"{np.mean(values):.3f}" if values else ""


def runs_of(kept, guise):
    """(patient, numbers) of every run of a guise."""
    return [(p, run) for p, rows in kept.items() for key, run in rows.items() if key.rsplit(" #", 1)[0] == guise]


def guise_table(kept):
    """One row a guise: what stays, and what goes wrong."""
    print("| guise | scans | mean Dice to its own contours | below .5 | to the reference (unchanged) "
          "| lost | invented | wrong side | over 20 mm off |")
    print("|---" * 9 + "|")
    for guise in GUISES:
        runs = [run for _, run in runs_of(kept, guise)]
        if not runs:
            continue
        organs = [numbers for run in runs for numbers in run.get("organs", {}).values()]
        own = [n["own"] for n in organs if n.get("own") is not None]
        judged = [n for n in organs if n.get("truth") is not None]
        reference = ""
        if judged:
            reference = f"{mean(n['truth'] for n in judged)} ({mean(n['truth_unchanged'] for n in judged)})"
        wrong = [sum(len(run.get(what, [])) for run in runs) for what in ("lost", "invented", "swapped", "far")]
        cells = [guise, len(runs), mean(own), f"{sum(v < 0.5 for v in own)} of {len(own)}", reference, *wrong]
        print("| " + " | ".join(map(str, cells)) + " |")


def organ_table(kept, names):
    """One row an organ, over all guises: how far it stays."""
    print("\n| organ | results | mean Dice to its own contours | below .5 | lost | invented |")
    print("|---" * 6 + "|")
    runs = [run for guise in GUISES for _, run in runs_of(kept, guise)]
    for organ in names.values():
        own = [run["organs"][organ].get("own") for run in runs if organ in run.get("organs", {})]
        own = [v for v in own if v is not None]
        wrong = [sum(t.split(",")[0] == organ for run in runs for t in run.get(w, [])) for w in ("lost", "invented")]
        cells = [organ, len(own), mean(own), sum(v < 0.5 for v in own), *wrong]
        print("| " + " | ".join(map(str, cells)) + " |")


def reference_table(kept, names, guises):
    """Dice to the reference, organ by organ: as it is, and in each of these guises of the same patients."""
    rows = [("as it is", guises[0], "truth_unchanged"), *((guise, guise, "truth") for guise in guises)]
    organs = [n for n in names.values()
              if any(n in r.get("organs", {}) and "truth" in r["organs"][n] for _, r in runs_of(kept, guises[0]))]
    print("\n| picture | all | " + " | ".join(organs) + " |")
    print("|---" * (len(organs) + 2) + "|")
    for title, guise, what in rows:
        values = {o: [r["organs"].get(o, {}).get(what) for _, r in runs_of(kept, guise) if "organs" in r] for o in organs}
        cells = [mean(v for own in values.values() for v in own), *(mean(values[o]) for o in organs)]
        print(f"| {title} | " + " | ".join(cells) + " |")


def what_went_wrong(kept):
    print()
    for guise in GUISES:
        for patient, run in runs_of(kept, guise):
            said = [f"{k} {v if isinstance(v, str) else ', '.join(v)}" for k, v in run.items() if k != "organs" and v]
            if said:
                print(f"- {patient}, {guise}: " + "; ".join(said))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--program", default="delineo")
    parser.add_argument("--model", help="default: the configuration's id")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--patients", nargs="*", default=[])
    parser.add_argument("--only", nargs="*", help="guises whose name has one of these words")
    parser.add_argument("--others", nargs="*", type=Path, default=[], help="images of other regions")
    parser.add_argument("--reference", nargs="*", help="guises to hold against the reference, organ by organ")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, nargs="+", required=True, help="measured into the first, tables of all")
    parser.add_argument("--table", action="store_true", help="print what the JSON file has, measure nothing")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    arguments.model = arguments.model or config["id"]
    names = {label["value"]: label["name"] for label in config["labels"]}
    own_file, *more = arguments.json
    kept = json.loads(own_file.read_text()) if own_file.exists() else {}
    if not arguments.table and arguments.patients:
        index = json.loads((arguments.data / "index.json").read_text())
        entries = {p["id"]: p for p in index["patients"] if p["split"] == arguments.split}
        for patient in arguments.patients:
            save = lambda: own_file.write_text(json.dumps(kept, indent=1))
            measure(arguments, entries[patient], index, names, kept.setdefault(patient, {}), save)
    for path in more:
        for patient, rows in json.loads(path.read_text()).items():
            kept.setdefault(patient, {}).update(rows)
    guise_table(kept)
    organ_table(kept, names)
    if arguments.reference:
        reference_table(kept, names, arguments.reference)
    what_went_wrong(kept)
    for path, found in described([] if arguments.table else arguments.others, arguments):
        print(f"\n{path}: {found}")


if __name__ == "__main__":
    main()
