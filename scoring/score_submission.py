#!/usr/bin/env python
"""Score a submission: python scoring/score_submission.py submission.csv labels.csv"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whaledo.files import InputError
from whaledo.metrics import score_submission

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the mean average precision at 20 of a submission as JSON.")
    parser.add_argument("predictions", help="submission.csv: query_id,database_image_id,score")
    parser.add_argument("labels", help="labels.csv: query_id,database_image_id, one row per correct match")
    args = parser.parse_args()
    try:
        print(json.dumps(score_submission(args.predictions, args.labels)))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
