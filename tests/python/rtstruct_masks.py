"""An independent reader of RTSTRUCT: pydicom and point in polygon at voxel centres.

usage: rtstruct_masks.py RTSTRUCT IMAGE_FOLDER MASKS_FILE

Checks the file's own rules (references, text lengths, UIDs), makes a mask of every ROI and compares
it voxel by voxel with the one in MASKS_FILE (see masks_file.py). Prints one JSON document:
{"rois": [{"name", "voxels", "ours", "different"}], "errors": [sentences]}.

A voxel belongs when its centre is inside by the even-odd rule over the contours of its slice; an
edge holds its lower end and not its upper one, and a crossing at the centre itself does not count.
Nothing here is shared with the program under test.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pydicom
from masks_file import read_boxes, whole

DECIMAL = re.compile(rb"^[+-]?\d+(\.\d+)?$")


class Images:
    def __init__(self, folder):
        found = []
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                try:
                    image = pydicom.dcmread(path, stop_before_pixels=True)
                except pydicom.errors.InvalidDicomError:
                    continue
                if "ImagePositionPatient" in image:
                    found.append(image)
        orientation = np.array(found[0].ImageOrientationPatient, dtype=float)
        self.u, self.v = orientation[:3], orientation[3:]
        self.normal = np.cross(self.u, self.v)
        found.sort(key=lambda image: self.normal @ np.array(image.ImagePositionPatient, dtype=float))
        self.slices = found
        self.down, self.across = (float(x) for x in found[0].PixelSpacing)
        self.rows, self.columns = int(found[0].Rows), int(found[0].Columns)
        self.origins = np.array([image.ImagePositionPatient for image in found], dtype=float)
        self.offsets = self.origins @ self.normal
        self.frame = found[0].FrameOfReferenceUID
        self.index_of = {image.SOPInstanceUID: k for k, image in enumerate(found)}

    def shape(self):
        return (len(self.slices), self.rows, self.columns)

    def centers(self, k):
        """Plane coordinates of the voxel centres: x of each column, y of each row."""
        origin = self.origins[k]
        x = self.u @ origin + self.across * np.arange(self.columns)
        y = self.v @ origin + self.down * np.arange(self.rows)
        return x, y


def fill(points, x, y):
    """Mask (row, column) of the centres inside one ring (n, 2)."""
    mask = np.zeros((len(y), len(x)), dtype=bool)
    start = points
    end = np.roll(points, -1, axis=0)
    # Each edge from its lower to its upper end, so that an edge walked in and out again (a keyhole)
    # crosses a row at the same place both times.
    upward = start[:, 1] <= end[:, 1]
    low = np.where(upward[:, None], start, end)
    high = np.where(upward[:, None], end, start)
    rows = np.nonzero((y >= points[:, 1].min()) & (y <= points[:, 1].max()))[0]
    for row in rows:
        here = (low[:, 1] <= y[row]) & (high[:, 1] > y[row])
        a, b = low[here], high[here]
        cross = a[:, 0] + (y[row] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
        # Inside when an odd number of crossings lies to the right of the centre.
        right = len(cross) - np.searchsorted(np.sort(cross), x, side="right")
        mask[row] = right % 2 == 1
    return mask


def check_contour(name, contour, images, errors):
    raw = contour.get_item("ContourData").value
    raw = raw if isinstance(raw, bytes) else "\\".join(str(v) for v in raw).encode()
    parts = raw.rstrip(b" ").split(b"\\")
    for part in parts:
        if len(part) > 16 or not DECIMAL.match(part):
            errors.append(f"{name}: coordinate {part!r}")
            break
    if len(parts) != 3 * int(contour.NumberOfContourPoints):
        errors.append(f"{name}: {len(parts)} coordinates, {contour.NumberOfContourPoints} points")
    points = np.array([float(part) for part in parts]).reshape(-1, 3)
    offset = points @ images.normal
    k = int(np.argmin(np.abs(images.offsets - offset.mean())))
    if np.abs(images.offsets[k] - offset).max() > 0.01:
        errors.append(f"{name}: contour off its slice by {np.abs(images.offsets[k] - offset).max()} mm")
    referenced = [item.ReferencedSOPInstanceUID for item in contour.get("ContourImageSequence", [])]
    if referenced != [images.slices[k].SOPInstanceUID]:
        errors.append(f"{name}: contour on slice {k} refers to {referenced}")
    return k, points


def check_header(rt, images, errors):
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if not str(rt[keyword].value).startswith("2.25."):
            errors.append(f"{keyword} {rt[keyword].value}")
    if rt.file_meta.TransferSyntaxUID != pydicom.uid.ImplicitVRLittleEndian:
        errors.append(f"transfer syntax {rt.file_meta.TransferSyntaxUID}")
    first = images.slices[0]
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        if str(rt[keyword].value) != str(first[keyword].value):
            errors.append(f"{keyword} {rt[keyword].value} is not the images' {first[keyword].value}")
    frame = rt.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    if series.SeriesInstanceUID != first.SeriesInstanceUID:
        errors.append("referenced series")
    listed = [item.ReferencedSOPInstanceUID for item in series.ContourImageSequence]
    if sorted(listed) != sorted(images.index_of):
        errors.append("referenced images are not the series' images")
    numbers = [roi.ROINumber for roi in rt.StructureSetROISequence]
    if len(set(numbers)) != len(numbers):
        errors.append("ROI numbers repeat")
    for sequence in (rt.ROIContourSequence, rt.RTROIObservationsSequence):
        if [item.ReferencedROINumber for item in sequence] != numbers:
            errors.append("ROI numbers differ between sequences")
    for roi in rt.StructureSetROISequence:
        if roi.ReferencedFrameOfReferenceUID != images.frame:
            errors.append(f"{roi.ROIName}: frame of reference")


def main(rtstruct, folder, masks):
    images = Images(folder)
    rt = pydicom.dcmread(rtstruct)
    errors, rois = [], []
    check_header(rt, images, errors)
    contours = {item.ReferencedROINumber: item.get("ContourSequence", []) for item in rt.ROIContourSequence}
    numbers = {roi.ROIName: roi.ROINumber for roi in rt.StructureSetROISequence}
    seen = set()
    for name, low, box in read_boxes(masks):
        ours = whole(low, box, images.shape())
        mask = np.zeros(images.shape(), dtype=bool)
        for contour in contours[numbers[name]]:
            k, points = check_contour(name, contour, images, errors)
            plane = np.stack([points @ images.u, points @ images.v], axis=1)
            mask[k] ^= fill(plane, *images.centers(k))
        seen.add(name)
        rois.append(
            {
                "name": name,
                "voxels": int(mask.sum()),
                "ours": int(ours.sum()),
                "different": int((mask != ours).sum()),
            }
        )
    for name in numbers.keys() - seen:
        errors.append(f"{name}: no mask to compare with")
    print(json.dumps({"rois": rois, "errors": errors[:20]}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
