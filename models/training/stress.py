"""What happens when a couch and a fixation mask are in the picture.

    python stress.py ../head-neck/model.toml --data DATA --limit 6

The data carry neither, so both are pasted in: a couch (a 20 mm foam slab of
-900 HU between two 3 mm shells of -250 HU) under the back, and a thermoplastic
shell of 3 mm and -50 HU that follows the front and sides of the skin. Each
patient is segmented as it is, with the additions, and with the additions after
a plain search for the body (threshold, opening, largest piece, holes filled),
outside of which everything becomes air again.
"""

import argparse
import itertools
import tomllib
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from evaluate import load_network, score
from inference import largest_piece, segment
from volumes import AIR_HU, read_split


def filled(mask):
    """Holes filled in each axial slice."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def add_couch(hu, spacing):
    """A slab across the whole width, right behind the hindmost skin, the volume grown for it."""
    rows = int(np.ceil(40 / spacing[1]))
    hu = np.pad(hu, ((0, 0), (0, rows), (0, 0)), constant_values=int(AIR_HU))
    back = np.nonzero((hu > -300).any((0, 2)))[0].max()
    depth = (np.arange(hu.shape[1]) - back) * spacing[1]
    shell = ((depth > 0) & (depth <= 3.9)) | ((depth > 23) & (depth <= 26.9))
    foam = (depth > 3.9) & (depth <= 23)
    for rows, value in ((shell, -250), (foam, -900)):
        hu[:, rows] = np.maximum(hu[:, rows], value)
    return hu


def add_mask(hu, spacing):
    """A 3 mm shell of -50 HU on the skin, not behind the middle; thin, so partly air per voxel."""
    body = filled(hu > -500)
    distance = ndimage.distance_transform_edt(~body, spacing)
    middle = np.nonzero(body.any((0, 2)))[0].mean()
    front = (np.arange(hu.shape[1]) < middle + 40 / spacing[1])[None, :, None]
    # The share of each voxel that a shell 3 mm thick covers.
    share = min(1.0, 3.0 / spacing[1])
    shell = (distance > 0) & (distance <= spacing[1] * 1.01) & front
    value = AIR_HU + share * (AIR_HU * -1 - 50)
    return np.where(shell, np.maximum(hu, value), hu).astype(np.int16)


def mask_outside_body(hu):
    """Everything outside the largest piece above -300 HU becomes air."""
    body = largest_piece(ndimage.binary_opening(hu > -300, ndimage.generate_binary_structure(3, 1)))
    body = filled(ndimage.binary_dilation(body) & (hu > -700))
    return np.where(body, hu, AIR_HU).astype(np.int16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="a package's model.toml")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = tomllib.loads(arguments.config.read_text())
    network = load_network(
        config, arguments.weights or arguments.config.parent / config["weights"]["file"]
    )
    results = {}
    for patient in itertools.islice(read_split(arguments.data, "valid"), arguments.limit):
        plain = patient.hu
        both = add_couch(add_mask(plain, patient.spacing), patient.spacing)
        for name, hu in (
            ("as it is", plain),
            ("as it is, body searched", mask_outside_body(plain)),
            ("couch and mask", both),
            ("couch and mask, body searched", mask_outside_body(both)),
        ):
            found = segment(network, hu, patient.spacing, config)[:, : plain.shape[1]]
            for organ, value in score(found, patient, config["labels"]).items():
                results.setdefault(name, {}).setdefault(organ, []).append(value)
    organs = [label["name"] for label in config["labels"]]
    print("| picture | all | " + " | ".join(organs) + " |")
    print("|---" * (len(organs) + 2) + "|")
    for name, scores in results.items():
        pooled = [v for values in scores.values() for v in values]
        cells = [f"{np.mean(scores[o]):.3f}" if o in scores else "" for o in organs]
        print(f"| {name} | {np.mean(pooled):.3f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
