"""How long rt-utils takes from an RTSTRUCT to the masks of all its ROIs.

usage: rt_utils_seconds.py RTSTRUCT IMAGE_FOLDER [RUNS]

Prints {"load": seconds to read the images and the file, "masks": seconds for all masks}, medians
of RUNS (1).
"""

import contextlib
import io
import json
import statistics
import sys
import time

from rt_utils import RTStructBuilder


def one(rtstruct, folder):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        rt = RTStructBuilder.create_from(dicom_series_path=folder, rt_struct_path=rtstruct)
    loaded = time.perf_counter()
    for name in rt.get_roi_names():
        rt.get_roi_mask_by_name(name)
    done = time.perf_counter()
    return loaded - start, done - loaded


def main(rtstruct, folder, runs="1"):
    load, masks = zip(*(one(rtstruct, folder) for _ in range(int(runs))))
    print(json.dumps({"load": statistics.median(load), "masks": statistics.median(masks)}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
