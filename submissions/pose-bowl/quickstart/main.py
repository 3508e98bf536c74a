"""Quickstart: the same box in the middle of every photo."""
import sys

import pandas as pd

# main.sh says where the data lie and where the boxes belong
data_dir, submission_path = sys.argv[1:]

# the ids to answer, in the order in which they have to be answered; ids are text, whatever they look like
boxes = pd.read_csv(f"{data_dir}/submission_format.csv", dtype={"image_id": str}, index_col="image_id")

# your turn: look at f"{data_dir}/images/{image_id}.png", 1280 x 1024 pixels, and find the spacecraft in it
for image_id in boxes.index:
    boxes.loc[image_id, ["xmin", "ymin", "xmax", "ymax"]] = [320, 256, 960, 768]

boxes.to_csv(submission_path)
