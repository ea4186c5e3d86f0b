"""Masks of an RTSTRUCT by rt-utils or plastimatch, compared with ours.

usage: other_readers.py rt-utils|plastimatch RTSTRUCT IMAGE_FOLDER MASKS_FILE

Prints one JSON document: {"reader", "seconds", "rois": [{"name", "dice", "ours", "theirs", "both",
"voxel_mm3"}]} for the ROIs above 20 cc.

The readers draw by rules of their own. rt-utils rounds vertices to whole pixels and fills with
OpenCV, which paints the outline itself: every pixel the outline passes belongs. plastimatch fills by
scan line between pixel centres with its own rule for ties.
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from masks_file import read_boxes, whole
from rtstruct_masks import Images


# The readers' drawing rules differ by edge pixels: below this size they say nothing.
SMALLEST_CC = 20


def rt_utils_masks(rtstruct, folder, wanted):
    from rt_utils import RTStructBuilder

    with contextlib.redirect_stdout(io.StringIO()):
        rt = RTStructBuilder.create_from(dicom_series_path=folder, rt_struct_path=rtstruct)
        names = rt.get_roi_names()
    # (row, column, slice) in order of position, as (slice, row, column)
    order = np.argsort([float(s.ImagePositionPatient[2]) for s in rt.series_data])
    for name in [name for name in names if name in wanted]:
        yield name, np.moveaxis(rt.get_roi_mask_by_name(name), 2, 0)[order]


def plastimatch_masks(rtstruct, folder, wanted):
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            ["plastimatch", "convert", "--input", rtstruct, "--referenced-ct", folder,
             "--output-prefix", f"{out}/m", "--prefix-format", "nrrd"],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"plastimatch: {done.stderr[-500:]}")
        yield None, None  # the reading is done
        for path in sorted(Path(f"{out}/m").glob("*.nrrd")):
            if path.stem in wanted:
                yield path.stem, sitk.GetArrayFromImage(sitk.ReadImage(str(path))) != 0


def dice(a, b):
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else None


def main(reader, rtstruct, folder, masks_file):
    images = Images(folder)
    voxel_mm3 = images.across * images.down * abs(np.diff(images.offsets).mean())
    ours = {name: (low, box) for name, low, box in read_boxes(masks_file)}
    wanted = [n for n, (_, box) in ours.items() if box.sum() * voxel_mm3 > 1000 * SMALLEST_CC]
    start = time.perf_counter()
    masks = (rt_utils_masks if reader == "rt-utils" else plastimatch_masks)(rtstruct, folder, wanted)
    rois, seconds = [], 0.0
    for name, theirs in masks:
        seconds += time.perf_counter() - start
        if name is not None:
            own = whole(*ours[name], images.shape())
            rois.append(
                {
                    "name": name,
                    "dice": dice(own, theirs),
                    "ours": int(own.sum()),
                    "theirs": int(theirs.sum()),
                    "both": int((own & theirs).sum()),
                    "voxel_mm3": voxel_mm3,
                }
            )
        start = time.perf_counter()
    print(json.dumps({"reader": reader, "seconds": seconds, "rois": rois}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
