"Every target of the Makefile: what it would do, and really for those that take seconds."
import re
import shutil
import subprocess

import pytest

from conftest import ROOT

MAKEFILE = (ROOT/"Makefile").read_text()
TARGETS = sorted(set(re.findall(r"(?m)^([a-z][a-z-]*):.*## ", MAKEFILE)) | {"pack-quickstart", "pack-benchmark", "pack-submission", "copies"})
NEEDS = {"scenarios": ["SURVEY_DIR=photos"], "match": ["PHOTOS=photos"]}


def make(*args):
    return subprocess.run(["make", "-C", str(ROOT), *map(str, args)], capture_output=True, text=True)


@pytest.mark.parametrize("target", TARGETS)
def test_dry_run(target):
    done = make("-n", target, *NEEDS.get(target, []))
    assert done.returncode == 0, done.stderr
    command = {"help": "print", "setup": "setup_sandbox", "test": "tests/run", "lab": "jupyter", "export": "nbdev_export",
               "copies": "cmp", "lock": "pip compile", "docs": "mkdocs build", "verify-podman": "verify_podman"}.get(target, "whaledo ")
    assert command in done.stdout


def test_variables_reach_the_command():
    said = make("-n", "train", "DATA_DIR=mine", "RECIPE=long", "EPOCHS=3", "PRETRAINED=a b.safetensors", "SEED=7",
                "BACKBONE=resnet18", "CHANGE=lr=.1 clip=5").stdout
    assert '--recipe long --seed 7 --backbone "resnet18" --pretrained "a b.safetensors" --epochs 3 --change "lr=.1 clip=5"' in said


def test_the_environment_reaches_the_command():
    assert "--runtime belugas-2022" in make("-n", "test-submission", "RUNTIME=belugas-2022").stdout
    assert "--challenge pose-bowl" in make("-n", "train", "CHALLENGE=pose-bowl").stdout


def test_the_menu_names_every_target():
    said = make("help").stdout
    for target in re.findall(r"(?m)^([a-z][a-z-]*):.*## ", MAKEFILE):
        assert re.search(rf"(?m)^  make {target} ", said), target


def test_what_is_missing_is_said_in_one_sentence():
    for target, variable in (("scenarios", "SURVEY_DIR="), ("match", "PHOTOS=")):
        done = make(target)
        assert done.returncode == 2 and variable in done.stderr and "Traceback" not in done.stderr


def test_pack_and_clean_really(tmp_path):
    at = f"SUBMISSION_DIR={tmp_path/'submission'}"
    assert make("pack-quickstart", at).returncode == 0
    assert (tmp_path/"submission"/"submission.zip").exists()
    again = make("pack-quickstart", at)
    assert again.returncode == 2 and "never overwritten" in again.stderr
    assert make("clean", at).returncode == 0
    assert not (tmp_path/"submission"/"submission.zip").exists()


@pytest.mark.skipif(shutil.which("cmp") is None, reason="cmp is not installed")
def test_submissions_are_the_exported_modules():
    assert make("copies").returncode == 0


def test_a_moved_folder_is_told_what_to_do(tmp_path):
    "The environment's programs name the place that it was made in: Error 127, without a word, where that is another by now."
    moved = tmp_path/"moved here"
    (moved/".venv").mkdir(parents=True)
    shutil.copy(ROOT/"Makefile", moved)

    def in_place(made_in):
        (moved/".venv/ready").write_text(made_in)
        return subprocess.run(["make", "in-place"], capture_output=True, text=True, cwd=moved)
    assert in_place(f"{moved/'.venv'}\n").returncode == 0
    assert in_place("").returncode == 0 # made by a version that did not write it down
    refused = in_place("/before it was moved/.venv\n")
    assert refused.returncode == 2 and "moved from /before it was moved, and" in refused.stderr
    assert "rm -r .venv .venv-runtime && make setup" in refused.stderr
    assert make("-n", "setup").stdout.index("was moved") < make("-n", "setup").stdout.index("setup_sandbox.py")
