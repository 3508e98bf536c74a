#!/usr/bin/env python
"""Score cloud masks: python scoring/score_cloud_cover.py submission.tar.gz test_labels"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whaledo.files import InputError
from whaledo.challenges.cloud_cover import score_masks

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the intersection over union of cloud masks as JSON.")
    parser.add_argument("masks", help="submission.tar.gz, or a folder of masks: {chip_id}.tif, uint8, 1 is cloud")
    parser.add_argument("labels", help="folder with the true masks, {chip_id}.tif")
    args = parser.parse_args()
    try:
        print(json.dumps(score_masks(args.masks, args.labels)))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
