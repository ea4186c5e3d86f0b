"""SimpleITK's margin by distance map on a label's box: python3 FILE LABELS LABEL MARGIN_MM ROUNDS.

Prints the median seconds of the distance map and its threshold; reading and cropping are not counted.
"""

import statistics
import sys
import time

import SimpleITK as sitk

path, label, margin, rounds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
mask = sitk.ReadImage(path) == label
shape = sitk.LabelShapeStatisticsImageFilter()
shape.Execute(mask)
box = shape.GetBoundingBox(1)
low, high = [], []
for axis in range(3):
    room = int(margin / mask.GetSpacing()[axis]) + 2
    low.append(max(0, box[axis] - room))
    high.append(min(mask.GetSize()[axis], box[axis] + box[axis + 3] + room))
crop = mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
seconds = []
for _ in range(rounds):
    start = time.perf_counter()
    distance = sitk.SignedMaurerDistanceMap(crop, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    grown = distance <= margin
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds))
