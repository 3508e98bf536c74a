#!/usr/bin/env python
"""Score boxes: python scoring/score_pose_bowl.py predicted.csv actual.csv"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whaledo.files import InputError
from whaledo.challenges.pose_bowl import score_boxes

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the mean Jaccard index of a submission as JSON.")
    parser.add_argument("predicted_path", help="Path to predictions CSV: image_id,xmin,ymin,xmax,ymax")
    parser.add_argument("actual_path", help="Path to ground truth CSV: the same columns, the same order")
    args = parser.parse_args()
    try:
        print(json.dumps(score_boxes(args.predicted_path, args.actual_path), indent=2))
    except InputError as error:
        print(" ".join(str(error).split("\n")), file=sys.stderr)
        sys.exit(2)
