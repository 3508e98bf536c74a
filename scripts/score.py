#!/usr/bin/env python
"""The path under which Pose Bowl names its scorer: python scripts/score.py predicted.csv actual.csv"""
import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[1] / "scoring" / "score_pose_bowl.py"), run_name="__main__")
