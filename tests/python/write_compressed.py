"""Writes two compressed CT slices (signed.dcm, unsigned.dcm) with known samples.

usage: write_compressed.py FOLDER COMPRESSOR   (JPEG2000 or JPEG, as GDCM names them)

Sample n of 40 x 30 is (37 n^2 + 11 n) mod 3000, less 1000 in the signed one.
"""

import sys, SimpleITK as sitk, numpy as np
folder, compressor = sys.argv[1:3]
n = np.arange(1200)

for name, kind, shift in (("signed", np.int16, 1000), ("unsigned", np.uint16, 0)):
    array = ((n * n * 37 + n * 11) % 3000 - shift).astype(kind).reshape(1, 30, 40)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 1.5, 3.0))
    for key, value in {"0008|0060": "CT", "0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0020|000e": "1.2.3." + str(shift),
                       "0020|000d": "1.2.3", "0020|0032": "1\\2\\3", "0020|0037": "1\\0\\0\\0\\1\\0"}.items():
        image.SetMetaData(key, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(f"{folder}/{name}.dcm")
    if compressor:
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
    writer.Execute(image)
