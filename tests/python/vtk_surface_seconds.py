"""VTK's flying edges around a label's box: python3 FILE LABELS LABEL ROUNDS.

Prints the median seconds of the surface; reading and cropping are not counted.
"""

import statistics
import sys
import time

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

path, label, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
reader = vtk.vtkNIFTIImageReader()
reader.SetFileName(path)
reader.Update()
image = reader.GetOutput()
columns, rows, slices = image.GetDimensions()
labels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(slices, rows, columns)
mask = labels == label
low = [max(0, int(axis.min()) - 1) for axis in np.nonzero(mask)]
high = [int(axis.max()) + 2 for axis in np.nonzero(mask)]
crop = np.ascontiguousarray(mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]].astype(np.uint8))
cropped = vtk.vtkImageData()
cropped.SetDimensions(crop.shape[2], crop.shape[1], crop.shape[0])
cropped.SetSpacing(image.GetSpacing())
cropped.GetPointData().SetScalars(numpy_to_vtk(crop.ravel(), deep=True))
seconds = []
for _ in range(rounds):
    edges = vtk.vtkFlyingEdges3D()
    edges.SetInputData(cropped)
    edges.SetValue(0, 0.5)
    start = time.perf_counter()
    edges.Update()
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds))
