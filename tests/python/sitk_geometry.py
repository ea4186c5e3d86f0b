"""Where SimpleITK says that voxels and labels are, in patient mm (DICOM LPS).

usage: sitk_geometry.py IMAGES SERIES_UID [LABELS]

IMAGES is a folder of DICOM (read with GDCM's own sorting) or a NIfTI file (SERIES_UID then "-").
Prints {"size": [columns, rows, slices], "voxels": [[x, y, z, value], ...], "labels": {"1":
{"centroid": [x, y, z], "voxels": n}, ...}}: a spread of voxel centres with their stored values, and
the centre of mass of every label of LABELS.
"""

import json
import sys

import SimpleITK as sitk


def read(path, uid):
    if path.endswith((".nii", ".nii.gz")):
        return sitk.ReadImage(path)
    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(path, uid, False, True)
    if not names:
        sys.exit(f"SimpleITK finds no series {uid} in {path}")
    reader.SetFileNames(names)
    return reader.Execute()


def main(path, uid, labels=None):
    image = read(path, uid)
    size = image.GetSize()
    voxels = []
    steps = [sorted({0, 1, n // 3, n // 2, (3 * n) // 4, n - 1} & set(range(n))) for n in size]
    for k in steps[2]:
        for j in steps[1]:
            for i in steps[0]:
                point = image.TransformIndexToPhysicalPoint((i, j, k))
                voxels.append([*point, float(image.GetPixel(i, j, k))])
    found = {}
    if labels:
        statistics = sitk.LabelShapeStatisticsImageFilter()
        statistics.Execute(sitk.Cast(sitk.ReadImage(labels), sitk.sitkUInt16))
        for label in statistics.GetLabels():
            found[str(label)] = {
                "centroid": statistics.GetCentroid(label),
                "voxels": statistics.GetNumberOfPixels(label),
            }
    print(json.dumps({"size": size, "voxels": voxels, "labels": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
