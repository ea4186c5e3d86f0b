"""The masks that a Rust test hands over: one JSON line a mask, then its voxels as bytes.

Header: {"name", "low": [i, j, k], "size": [ni, nj, nk]}; voxels 0 or 1, i fastest.
"""

import json

import numpy as np


def read_boxes(path):
    """Yields (name, low (i, j, k), boolean array (k, j, i) of the box)."""
    with open(path, "rb") as file:
        while True:
            line = file.readline()
            if not line:
                return
            header = json.loads(line)
            ni, nj, nk = header["size"]
            box = np.frombuffer(file.read(ni * nj * nk), dtype=np.uint8).reshape(nk, nj, ni)
            yield header["name"], header["low"], box != 0


def whole(low, box, shape_kji):
    """The mask on the whole grid."""
    mask = np.zeros(shape_kji, dtype=bool)
    (i, j, k), (nk, nj, ni) = low, box.shape
    mask[k : k + nk, j : j + nj, i : i + ni] = box
    return mask
