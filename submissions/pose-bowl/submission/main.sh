#!/usr/bin/env bash

DATA_DIR=/code_execution/data
SUBMISSION_PATH=/code_execution/submission/submission.csv

python main.py $DATA_DIR $SUBMISSION_PATH
