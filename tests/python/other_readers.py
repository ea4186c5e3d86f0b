"""Masks of an RTSTRUCT by rt-utils or plastimatch, compared with ours.

usage: other_readers.py rt-utils|plastimatch RTSTRUCT IMAGE_FOLDER MASKS_FILE

Prints one JSON document: {"reader", "rois": [{"name", "ours", "theirs", "dice",
"dice_off_outline"}]} for the ROIs of the file.

The readers draw by rules of their own. plastimatch fills by scan line between pixel centres, as we
do. rt-utils rounds every vertex to a whole pixel and fills with OpenCV, which paints the outline
itself: every pixel that the outline passes belongs, half a pixel too much all round. So
"dice_off_outline" leaves the pixels of that painted outline to us and compares the rest.
rt-utils also swaps rows and columns of images that are not square; it is given square copies.
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pydicom
import SimpleITK as sitk
from masks_file import read_boxes, whole
from rtstruct_masks import Images


def square_copies(folder, out):
    """The images with rows or columns added after the last, so that they are square."""
    for number, path in enumerate(sorted(Path(folder).rglob("*.dcm"))):
        image = pydicom.dcmread(path)
        side = max(image.Rows, image.Columns)
        pixels = np.zeros((side, side), dtype=image.pixel_array.dtype)
        pixels[: image.Rows, : image.Columns] = image.pixel_array
        image.Rows = image.Columns = side
        image.PixelData = pixels.tobytes()
        image.save_as(f"{out}/{number:04}.dcm")


def outline(rt, number, images):
    """The pixels that rt-utils' rounded outlines pass (slice, row, column)."""
    side = max(images.rows, images.columns)
    painted = np.zeros((len(images.slices), side, side), dtype=np.uint8)
    for item in rt.ds.ROIContourSequence:
        if item.ReferencedROINumber != number:
            continue
        for contour in item.ContourSequence:
            k = images.index_of[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3) - images.origins[k]
            pixels = np.stack([points @ images.u / images.across, points @ images.v / images.down], axis=1)
            cv2.polylines(painted[k], [np.around(pixels).astype(np.int32)], True, 1)
    return painted[:, : images.rows, : images.columns] != 0


def rt_utils_masks(rtstruct, folder, images):
    from rt_utils import RTStructBuilder

    with tempfile.TemporaryDirectory() as copies:
        if images.rows != images.columns:
            square_copies(folder, copies)
            folder = copies
        with contextlib.redirect_stdout(io.StringIO()):
            rt = RTStructBuilder.create_from(dicom_series_path=str(folder), rt_struct_path=rtstruct)
    for roi in rt.ds.StructureSetROISequence:
        mask = np.moveaxis(rt.get_roi_mask_by_name(roi.ROIName), 2, 0)
        mask = mask[:, : images.rows, : images.columns]
        yield roi.ROIName, mask, outline(rt, roi.ROINumber, images)


def plastimatch_masks(rtstruct, folder, images):
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            ["plastimatch", "convert", "--input", rtstruct, "--referenced-ct", folder,
             "--output-prefix", f"{out}/m", "--prefix-format", "nrrd"],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"plastimatch: {done.stderr[-500:]}")
        for path in sorted(Path(f"{out}/m").glob("*.nrrd")):
            mask = sitk.GetArrayFromImage(sitk.ReadImage(str(path))) != 0
            yield path.stem, mask, np.zeros(images.shape(), dtype=bool)


def dice(a, b):
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else None


def main(reader, rtstruct, folder, masks_file):
    images = Images(folder)
    ours = {name: (low, box) for name, low, box in read_boxes(masks_file)}
    read = rt_utils_masks if reader == "rt-utils" else plastimatch_masks
    rois = []
    for name, theirs, painted in read(rtstruct, folder, images):
        own = whole(*ours[name], images.shape())
        rois.append(
            {
                "name": name,
                "ours": int(own.sum()),
                "theirs": int(theirs.sum()),
                "dice": dice(own, theirs),
                "dice_off_outline": dice(own, np.where(painted, own, theirs)),
            }
        )
    print(json.dumps({"reader": reader, "rois": rois}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
