"""How long other readers take from a folder of one series to its voxels in HU.

usage: read_seconds.py FOLDER [RUNS]

Prints {"pydicom": seconds, "simpleitk": seconds}, each the median of RUNS (default 5) after one
run to warm the file cache. Both read every slice's header to sort the slices by position.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk


def with_pydicom(folder):
    slices = [pydicom.dcmread(path) for path in Path(folder).iterdir()]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    volume = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.int16)
    for n, one in enumerate(slices):
        volume[n] = one.pixel_array * int(one.RescaleSlope) + int(one.RescaleIntercept)
    return volume


def with_simpleitk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    return sitk.GetArrayViewFromImage(reader.Execute()).shape


def seconds(read, folder, runs):
    read(folder)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        read(folder)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(folder, runs="5"):
    print(json.dumps({
        "pydicom": seconds(with_pydicom, folder, int(runs)),
        "simpleitk": seconds(with_simpleitk, folder, int(runs)),
    }))


if __name__ == "__main__":
    main(*sys.argv[1:3])
