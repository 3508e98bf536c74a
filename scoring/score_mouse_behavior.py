#!/usr/bin/env python
"""Score labels of mouse behaviour: python scoring/score_mouse_behavior.py submission.npy labels.npy"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whaledo.files import InputError
from whaledo.challenges.mouse_behavior import score_behaviour

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print macro F1 and macro precision, without 'other', as JSON.")
    parser.add_argument("predictions", help="submission.npy: {sequence_id: [label of each frame]}")
    parser.add_argument("labels", help="labels.npy: {'vocabulary': [...], 'sequences': {id: {'annotations', 'annotator_id'}}}")
    args = parser.parse_args()
    try:
        print(json.dumps(score_behaviour(args.predictions, args.labels)))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
