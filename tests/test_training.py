"""Two processes learn what one learns, and a killed run ends where an undisturbed one does."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import train_twin

TWIN = Path(__file__).with_name("train_twin.py")
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "ACCELERATE_USE_CPU": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(*command):
    "A program of its own: its exit code."
    done = subprocess.run([str(c) for c in command], env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, -9), done.stderr[-2000:]
    return done.returncode


def by_part(folder):
    "Losses of a run, in the order in which the parts of its batches were drawn: (epochs, parts)."
    return np.array([np.array(epoch).T.reshape(-1) for epoch in json.loads((folder / "losses.json").read_text())])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    "One process that works off the two halves of every batch one after the other."
    folder, threads = tmp_path_factory.mktemp("alone"), torch.get_num_threads()
    torch.set_num_threads(1)
    train_twin.main(folder)
    torch.set_num_threads(threads)
    return folder


def test_two_processes(alone, tmp_path):
    launch = Path(sys.executable).with_name("accelerate")
    assert start(launch, "launch", "--multi_gpu", "--num_processes", 2, TWIN, tmp_path) == 0
    losses = json.loads((tmp_path / "losses.json").read_text())
    assert [len(epoch) for epoch in losses] == [2] * 3 # there were two of them
    np.testing.assert_allclose(by_part(tmp_path), by_part(alone), rtol=1e-4)
    a, b = (load_file(f / "weights.safetensors") for f in (alone, tmp_path))
    for name in a: # batch norm's running statistics are those of the first process
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_allclose(b[name], a[name], atol=1e-4, err_msg=name)
    assert not list(tmp_path.glob("*checkpoint*"))


def test_killed_and_resumed(alone, tmp_path):
    assert start(sys.executable, TWIN, tmp_path, 15) == -9 # in the middle of the second epoch
    assert [p.name for p in tmp_path.glob("*checkpoint*")] == ["checkpoint-0001"]
    assert start(sys.executable, TWIN, tmp_path) == 0
    a, b = (load_file(f / "weights.safetensors") for f in (alone, tmp_path))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(b[name], a[name], err_msg=name)
    assert (tmp_path / "history.csv").read_text() == (alone / "history.csv").read_text()
