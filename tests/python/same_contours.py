"""Whether two RTSTRUCT files hold the same contours, by the bytes of every coordinate.

usage: same_contours.py A B

Prints {"contours": number, "different": [sentences]}: ROI names, contour order, geometric type and
the text of Contour Data must agree; padding does not count.
"""

import json
import sys

import pydicom


def contours(path):
    rt = pydicom.dcmread(path)
    names = {roi.ROINumber: roi.ROIName for roi in rt.StructureSetROISequence}
    found = []
    for item in rt.ROIContourSequence:
        for contour in item.get("ContourSequence", []):
            raw = contour.get_item("ContourData").value
            if not isinstance(raw, bytes):
                sys.exit("pydicom has decoded the coordinates already")
            found.append((names[item.ReferencedROINumber], contour.ContourGeometricType, raw.rstrip(b" ")))
    return found


def main(a, b):
    a, b = contours(a), contours(b)
    different = [] if len(a) == len(b) else [f"{len(a)} contours became {len(b)}"]
    for number, (one, other) in enumerate(zip(a, b)):
        for what, x, y in zip(("name", "type", "text"), one, other):
            if x != y:
                different.append(f"contour {number}: {what} {x[:60]!r} became {y[:60]!r}")
    print(json.dumps({"contours": len(a), "different": different[:10]}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
