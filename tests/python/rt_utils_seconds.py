"""How long rt-utils takes from an RTSTRUCT to the masks of all its ROIs.

usage: rt_utils_seconds.py RTSTRUCT IMAGE_FOLDER

Prints {"load": seconds to read the images and the file, "masks": seconds for all masks}.
"""

import contextlib
import io
import json
import sys
import time

from rt_utils import RTStructBuilder


def main(rtstruct, folder):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        rt = RTStructBuilder.create_from(dicom_series_path=folder, rt_struct_path=rtstruct)
    loaded = time.perf_counter()
    for name in rt.get_roi_names():
        rt.get_roi_mask_by_name(name)
    done = time.perf_counter()
    print(json.dumps({"load": loaded - start, "masks": done - loaded}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
