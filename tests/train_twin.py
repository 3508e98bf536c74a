"""Train a small twin of the demo's model, alone or under `accelerate launch`: train_twin.py FOLDER [PARTS].

The loss of every part of a batch, process by process, goes to FOLDER/losses.json. With PARTS, the program kills
itself after that many parts of batches: no clean-up, no goodbye.
"""
import json
import os
import signal
import sys
from pathlib import Path
from unittest.mock import patch

from accelerate.utils import gather_object
from whaledo.whale.train import training
from whaledo.whale.train.recipes import recipes
from whaledo.whale.data.demo import demo_survey
from whaledo.whale.data.scenarios import split_whales
from whaledo.whale.data.survey import load_survey

RECIPE = recipes["demo"].replace(epochs=3, input_size=[64, 32], valid=.3, validate_every=2, accumulate=2)


def main(folder, parts=None):
    folder, whole_epoch, whole_part, losses = Path(folder), training.train_epoch, training.train_part, []

    def train_epoch(run, epoch):
        own = whole_epoch(run, epoch)
        losses.append(gather_object([own]))
        if run.accelerator.is_main_process:
            (folder / "losses.json").write_text(json.dumps(losses))
        return own

    def train_part(run, *batch):
        loss = whole_part(run, *batch)
        train_part.done += 1
        if train_part.done == int(parts or 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    train_part.done, (few, _) = 0, split_whales(load_survey(demo_survey(300)), .25)
    with patch.multiple(training, train_epoch=train_epoch, train_part=train_part):
        training.train(few, folder, RECIPE, name="demo 300")


if __name__ == "__main__":
    main(*sys.argv[1:])
