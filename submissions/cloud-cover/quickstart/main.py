"""On Cloud N, to start from: what is very bright in blue is called cloud. The format is right, the masks are poor."""
import os
from pathlib import Path

import numpy as np
from tifffile import imread, imwrite

ROOT_DIRECTORY = Path(os.environ.get("WHALEDO_ROOT", "/codeexecution"))
PREDICTIONS_DIRECTORY = ROOT_DIRECTORY / "predictions"
INPUT_IMAGES_DIRECTORY = ROOT_DIRECTORY / "data" / "test_features"

BANDS = ["B02", "B03", "B04", "B08"]  # blue, green, red, near infrared: 10,000 times the reflectance

for chip_directory in sorted(INPUT_IMAGES_DIRECTORY.iterdir()):
    if chip_directory.name.startswith("."):
        continue
    # a chip: four bands, 512 x 512 pixels
    chip = np.stack([imread(chip_directory / f"{band}.tif") for band in BANDS])
    # could do something useful here with chip ;-)
    prediction = (chip[0] > 7_500).astype("uint8")
    # a mask: 512 x 512 pixels of uint8, 1 is cloud and 0 is not
    imwrite(PREDICTIONS_DIRECTORY / f"{chip_directory.name}.tif", prediction, compression="zlib")
