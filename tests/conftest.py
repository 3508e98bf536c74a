import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def survey():
    "A small rendered survey, shared with the notebooks."
    from whaledo.whale.data.demo import demo_survey
    return demo_survey(600)


@pytest.fixture
def whaledo(capsys):
    "Call the command line: exit code, standard output, standard error."
    from whaledo.cli import main

    def call(*args):
        code = main([str(a) for a in args])
        out, err = capsys.readouterr()
        return code, out, err
    return call


@pytest.fixture
def ok(whaledo):
    "Call the command line with --json; it has to succeed; its JSON line."
    def call(*args):
        code, out, err = whaledo(*args, "--json")
        assert code == 0, err
        return json.loads(out.splitlines()[-1])
    return call


@pytest.fixture(autouse=True)
def own_project(monkeypatch):
    "A command leaves behind which project it was typed in; the next test starts anew."
    from whaledo.runner import sandbox
    monkeypatch.setattr(sandbox, "PROJECT", sandbox.PROJECT)


@pytest.fixture(scope="session")
def needs_sandbox():
    from whaledo.runner.sandbox import bubblewrap_problem
    if problem := bubblewrap_problem():
        pytest.skip(problem)


def python(*args, **kwargs):
    "Run the interpreter of the tests from the project's root."
    return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, cwd=ROOT, **kwargs)
