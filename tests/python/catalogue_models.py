"""Makes the packages and expected label maps of tests/fixtures/catalogue.

Files as TotalSegmentator's releases have them, with small networks of random weights, and what its way
around nnU-Net makes of a small image with them, restated here step by step: turn to right, front, head;
cut to the coarse model's organs; scipy.ndimage.zoom of order 3, cut to whole numbers; nnU-Net without
mirroring; the parts' labels over one another; small pieces dropped where the task has that; zoom of order 0
back; undo cut and turn. Run it where nnunetv2 2.8.1 is installed:

    python tests/python/catalogue_models.py tests/fixtures/catalogue [ID ...]

With ids, of models that look at the whole image, only theirs are made anew, for the image that is there.
"""
import shutil
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from nnunet_models import architecture, configuration, plans, train
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from scipy import ndimage

CATALOGUE = tomllib.load(open(Path(__file__).parents[2] / "assets/models.toml", "rb"))
MODELS = {model["id"]: model for model in CATALOGUE["models"]}
NAMES = {name: organ["name"] for name, organ in CATALOGUE["organs"].items()}
TRAINER = "nnUNetTrainerNoMirroring"


def checkpoint_of(folder):
    return folder / "fold_0/checkpoint_final.pth"


def only(folder, classes, ahead):
    """Leaves no class but background and these a say, and puts background ahead of them."""
    saved = torch.load(checkpoint_of(folder), weights_only=False)
    for key, value in saved["network_weights"].items():
        if "seg_layers" in key and key.endswith("bias"):
            keep = value.clone()
            value[:] = -1000.0
            value[0] = keep[0] + ahead
            for number in classes:
                value[number] = keep[number]
    torch.save(saved, checkpoint_of(folder))


def make(root, model, file, seed):
    """A training folder in a data set's folder, as a release's ZIP archive has it."""
    spacing = model.get("spacing_mm", [1.5, 1.5, 1.5])
    network = architecture("PlainConvUNet", 3, [4, 8], [[3, 3, 3]] * 2, [[1, 1, 1], [2, 2, 2]], [1, 1], [1], True)
    scheme = {"CT": "CTNormalization", "MR": "ZScoreNormalization"}[model["modality"]]
    plan = plans(file["name"][:-4], {model["configuration"]: configuration(
        [16, 16, 16], spacing, [scheme], [False], network)})
    labels = {"background": 0} | {name: number + 1 for number, name in enumerate(file["classes"])}
    dataset = {"channel_names": {"0": model["modality"]}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    return train(root / file["name"][:-4], plan, dataset, model["configuration"], 1, len(labels), seed, None,
                 torch.half, trainer=TRAINER)


def image():
    """Air around a body with a bright place in one corner; axes to the left, the front and the feet."""
    rng = np.random.default_rng(5)
    size = (38, 41, 25)
    values = ndimage.zoom(rng.normal(size=(7, 8, 5)), [n / m for n, m in zip(size, (7, 8, 5))], order=3) * 60
    at = np.indices(size).astype(float)
    values += 500 * np.exp(-sum(((a - c) / s) ** 2 for a, c, s in zip(at, (26, 14, 15), (5, 6, 4))))
    values[:3], values[:, :3] = -1000, -1000
    affine = np.array([[-1.7, 0, 0, 30], [0, 1.6, 0, -20], [0, 0, -2.9, 50], [0, 0, 0, 1.0]])
    return nib.Nifti1Image(np.clip(values, -1024, 3000).astype(np.int16), affine)


def nnunet(folder, picture, step):
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        nib.save(picture, place / "s01_0000.nii.gz")
        predictor = nnUNetPredictor(tile_step_size=step, use_gaussian=True, use_mirroring=False,
                                    perform_everything_on_device=False, device=torch.device("cpu"),
                                    verbose=False, allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(folder), (0,), "checkpoint_final.pth")
        predictor.predict_from_files_sequential(
            [[str(place / "s01_0000.nii.gz")]], [str(place / "s01")], save_probabilities=False, overwrite=True)
        return np.asarray(nib.load(place / "s01.nii.gz").dataobj).astype(np.uint8)


def zoomed(values, factors, order):
    return ndimage.zoom(values.astype(float), factors, order=order)


def cleaned(labels, model, zooms):
    """Without the pieces that the task drops; pieces hang together over faces."""
    names = [NAMES[name] for file in model["files"] for name in file["classes"]]
    before = np.bincount(labels.ravel())
    for name in model.get("largest_piece", []):
        value = names.index(name) + 1
        pieces, count = ndimage.label(labels == value)
        if count:
            sizes = np.bincount(pieces.ravel())[1:]
            labels[(labels == value) & (pieces != np.argmax(sizes) + 1)] = 0
    for name, cc in model.get("least_piece_cc", {}).items():
        value = names.index(name) + 1
        pieces, _ = ndimage.label(labels == value)
        small = np.bincount(pieces.ravel()) <= cc * 1000 / np.prod(zooms)
        labels[(labels == value) & small[pieces]] = 0
    if "largest_piece" in model or "least_piece_cc" in model:
        print(model["id"], "pieces dropped:", before, "to", np.bincount(labels.ravel(), minlength=len(before)))
    return labels


def contour(model, folders, picture, coarse):
    """The label map of a model on the picture's own voxels."""
    whole = picture.shape
    low, high = np.zeros(3, int), np.array(whole)
    if "crop" in model:
        crop = model["crop"]
        values = [number + 1 for number, name in enumerate(MODELS[crop["model"]]["files"][0]["classes"])
                  if NAMES[name] in crop["organs"]]
        found = np.argwhere(np.isin(coarse, values))
        margin = (np.array([crop["margin_mm"]] * 3) / picture.header.get_zooms()).astype(int)
        low = np.maximum(found.min(0) - margin, 0)
        high = np.minimum(found.max(0) + 1 + margin, whole)
        print(model["id"], "cut to", low, high, "of", whole)
    box = tuple(slice(a, b) for a, b in zip(low, high))
    affine = picture.affine.copy()
    affine[:3, 3] = (picture.affine @ [*low, 1])[:3]
    cut = nib.Nifti1Image(picture.get_fdata()[box].astype(np.int32), affine)
    turned = nib.as_closest_canonical(cut)
    spacing = np.array(model["spacing_mm"][::-1]) if "spacing_mm" in model else None
    if spacing is None:
        small = turned
    else:
        factors = np.array(turned.header.get_zooms()) / spacing
        affine = turned.affine.copy()
        affine[:3, :3] = affine[:3, :3] / factors
        small = nib.Nifti1Image(zoomed(turned.get_fdata(), factors, 3).astype(np.int32), affine)
    labels = np.zeros(small.shape, np.uint8)
    before = 0
    for folder, file in zip(folders, model["files"]):
        own = nnunet(folder, small, model["step"])
        for number in range(1, len(file["classes"]) + 1):
            labels[own == number] = before + number
        before += len(file["classes"])
    labels = cleaned(labels, model, small.header.get_zooms())
    if spacing is not None:
        labels = zoomed(labels, np.array(turned.shape) / labels.shape, 0).astype(np.uint8)
    back = nib.orientations.ornt_transform(
        nib.io_orientation(turned.affine), nib.io_orientation(cut.affine))
    out = np.zeros(whole, np.uint8)
    out[box] = nib.orientations.apply_orientation(labels, back)
    return out


# The seeds of the models' first files; that of body_regions leaves one large piece of each class beside many
# small ones, so that no single voxel decides which is dropped.
SEEDS = {"total_fastest": 0, "total_fast": 100, "head_muscles": 200, "headneck_muscles": 300, "total_mr_fast": 400,
         "body_regions": 1000}


def save(root, place, name, folders, labels, picture):
    """A model's archives and its label map."""
    nib.save(nib.Nifti1Image(labels, picture.affine), root / f"{name}.nii.gz")
    print(name, len(np.unique(labels)), "labels")
    for folder, file in zip(folders, MODELS[name]["files"]):
        with zipfile.ZipFile(root / file["name"], "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(place))


def made(place, name):
    """The training folders of a model."""
    return [make(place, MODELS[name], file, SEEDS[name] + n) for n, file in enumerate(MODELS[name]["files"])]


def some(root, names):
    picture = nib.load(root / "image.nii.gz")
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        for name in names:
            folders = made(place, name)
            save(root, place, name, folders, contour(MODELS[name], folders, picture, None), picture)


def main(root, *names):
    root = Path(root)
    if names:
        return some(root, names)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    picture = image()
    nib.save(picture, root / "image.nii.gz")
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        folders = {name: made(place, name) for name in SEEDS}
        fastest = MODELS["total_fastest"]
        classes = fastest["files"][0]["classes"]
        wanted = [number + 1 for number, name in enumerate(classes)
                  if name == "skull" or NAMES[name] in MODELS["headneck_muscles"]["crop"]["organs"]]
        # Background is put ahead until the organs leave a part of the image alone.
        original = checkpoint_of(folders["total_fastest"][0]).read_bytes()
        for ahead in np.arange(0.0, 40.0, 1.0):
            checkpoint_of(folders["total_fastest"][0]).write_bytes(original)
            only(folders["total_fastest"][0], wanted, ahead)
            coarse = contour(fastest, folders["total_fastest"], picture, None)
            found = np.argwhere(coarse == classes.index("skull") + 1)
            if len(found) and np.ptp(found, axis=0).max() <= 12:
                break
        else:
            raise SystemExit("no region")
        print("ahead by", ahead, np.bincount(coarse.ravel())[wanted])
        for name, own in folders.items():
            save(root, place, name, own, contour(MODELS[name], own, picture, coarse), picture)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
