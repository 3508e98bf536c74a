"Wheel and sdist: what is in them, and that they install and work away from the repository."
import configparser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from conftest import ROOT


def told(*args, **how):
    "Run a program; its standard output; its standard error where it fails."
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    "A copy of the tracked files with a model in it, built: sdist from the copy, wheel from the sdist."
    at = tmp_path_factory.mktemp("built")
    files = told("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    for f in filter(None, files):
        if (ROOT/f).is_file() and not f.endswith(".ipynb") or "_project" in f:
            (at/"clone"/f).parent.mkdir(parents=True, exist_ok=True)
            (at/"clone"/f).write_bytes((ROOT/f).read_bytes())
    (at/"clone/submission_src/model.safetensors").touch()
    (at/"clone/submission_src/config.json").touch()
    setup = [sys.executable, "setup.py", "-q"]
    told(*setup, "sdist", "-d", at/"dist", cwd=at/"clone")
    shutil.unpack_archive(next((at/"dist").glob("*.tar.gz")), at)
    source = next(at.glob("whaledo-*"))
    told(*setup, "bdist_wheel", "-d", at/"dist", cwd=source)
    return at/"dist"


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    "Python of an environment that has the wheel, and sees the other packages of this one."
    at = tmp_path_factory.mktemp("installed")
    told(sys.executable, "-m", "venv", "--without-pip", at/"env")
    python = at/"env/bin/python"
    told(sys.executable, "-m", "uv", "pip", "install", "-q", "--offline", "--no-deps", "--python", python, *built.glob("*.whl"))
    here = told(sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    site = next((at/"env/lib").glob("python*"))/"site-packages"
    (site/"others.pth").write_text(here)
    return python


def away(installed, folder, *args):
    "A command of the installed package, typed in a folder."
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run([installed.with_name("whaledo"), *map(str, args)], capture_output=True, text=True, cwd=folder, env=env)


def test_wheel_and_sdist_have_what_they_need(built):
    wheel = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as t:
        sdist = {name.partition("/")[2] for name in t.getnames()}
    assert {"settings.ini", "README.md", "LICENSE", "runtime/requirements.txt"} <= sdist
    assert {"whaledo/_project/runtime/requirements.txt", "whaledo/_project/.gitignore", "whaledo/_project/first_look.ipynb",
            "whaledo/whale/catalogue/static/review.js", "whaledo/_project/submissions/pose-bowl/quickstart/main.sh"} <= wheel
    assert not [f for f in wheel | sdist if f.endswith(("safetensors", "config.json", ".pyc"))]


def test_the_wheel_says_what_it_is(built):
    z = zipfile.ZipFile(next(built.glob("*.whl")))
    meta = message_from_string(z.read(next(n for n in z.namelist() if n.endswith("/METADATA"))).decode())
    assert meta.get_payload().startswith("# whaledo\n") and meta["Description-Content-Type"] == "text/markdown"
    assert {f"Programming Language :: Python :: 3.{v}" for v in (11, 12, 13)} <= set(meta.get_all("Classifier"))
    assert len(meta.get_all("Project-URL")) >= 3 and set(meta.get_all("Provides-Extra")) >= {"review", "train", "scale", "dev"}
    plain = [r for r in meta.get_all("Requires-Dist") if "extra ==" not in r]
    assert len(plain) > 20 and all(">=" in r for r in plain)
    assert not [r for r in plain if r.startswith(("jupyterlab", "anywidget", "nbdev", "onnx"))]
    assert {"accelerate", "pytorch-metric-learning"} <= {r.partition(">=")[0] for r in plain}  # `whaledo start` needs them


def test_missing_packages_are_looked_up_in_the_extras_of_settings():
    from whaledo.cli import EXTRAS
    config = configparser.ConfigParser(delimiters=["="])
    config.read(ROOT/"settings.ini")
    for extra, packages in EXTRAS.items():
        named = config["DEFAULT"][f"{extra}_requirements"].split()
        assert {r.partition(">=")[0].replace("-", "_") for r in named} == set(packages)


def test_a_project_away_from_the_repository(installed, tmp_path):
    refused = away(installed, tmp_path, "pack", "--source", "quickstart")
    assert refused.returncode == 2 and "whaledo new my-survey" in refused.stderr and "Traceback" not in refused.stderr
    assert away(installed, tmp_path, "new", "mine").returncode == 0
    mine = tmp_path/"mine"
    assert not [*mine.rglob("*.safetensors"), *mine.rglob("__pycache__")]
    done = away(installed, mine, "pack", "--source", "quickstart", "--json")
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[-1])["zip"] == "submission/submission.zip"
    assert away(installed, tmp_path, "new", "mine").returncode == 2


def test_it_is_the_installed_package_that_was_tested(installed, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    file = told(installed, "-c", "import whaledo; print(whaledo.__file__)", cwd=tmp_path, env=env)
    assert Path(file.strip()).is_relative_to(installed.parents[1])
