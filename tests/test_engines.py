"Docker's and Podman's code path against a stand-in: every flag, and every way in which a run can end."
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from whaledo.runner import sandbox
from whaledo.runner.challenge import Challenge, Limits
from whaledo.runner.runtime import run_submission, shell_in_sandbox
from whaledo.runner.sandbox import HOME, IMAGES, REASONS, RunError

STANDIN = Path(__file__).with_name("standin.py")
PASSES = dict(images=[IMAGES[1]], writes={"/code_execution/submission/submission.csv": "moo"})
LIMITS = Limits(hours=30/3600, memory_gb=2, cpus=1, processes=64, shm_gb=.05)
MOO = Challenge("moo", ("cow.txt", "herd"), check=lambda *args: [], score=None)
NVIDIA = "#!/bin/sh\ncase \"$*\" in *memory.free*) echo 24000;; *) :;; esac\n"


@pytest.fixture(params=["docker", "podman"])
def engine(request, monkeypatch, tmp_path):
    "A folder of programs with a stand-in for the engine and nothing that would do instead."
    programs = tmp_path/"programs"
    programs.mkdir()
    for name in ("docker", "podman"):
        calls = tmp_path/name
        calls.mkdir()
        script = f"#!/bin/sh\nexec {sys.executable} -S -E {STANDIN} {name} {calls} \"$@\"\n"
        if name == request.param:
            (programs/name).write_text(script)
            (programs/name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("SUBMISSION_IMAGE", raising=False)
    sandbox.podman_run.cache_clear()
    acts(tmp_path, request.param, **PASSES)
    return request.param


def acts(tmp_path, engine, **what):
    "Say what the engine has, and what the submission does."
    (tmp_path/engine/"play.json").write_text(json.dumps(what))


def calls(tmp_path, engine):
    "How it was called, without the questions about versions, images and drivers."
    lines = map(json.loads, (tmp_path/engine/"calls.jsonl").read_text().splitlines())
    asked = ("info", "inspect", "image", "--version")
    return [words for words in lines if words[0] not in asked and "true" not in words[-4:]]


def options_of(words):
    "Options of a call of `run` (name -> values), image, and what is run in it."
    options = {}
    words = words[words.index("run") + 1:]
    flags = ("--rm", "--read-only", "--interactive", "--tty", "--no-hosts")
    while words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name not in flags and not equals:
            value = words.pop(0)
        options.setdefault(name, []).append(value)
    return options, words[0], words[1:]


@pytest.fixture
def attempt(engine, tmp_path):
    "Run a main.py: the error or None, log, and verdict."
    def run(limits=LIMITS, challenge=MOO, **options):
        (tmp_path/"data/herd").mkdir(parents=True, exist_ok=True)
        (tmp_path/"data/cow.txt").write_text("brown")
        with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
            z.writestr("main.py", "1")
        error = None
        out = tmp_path/"out"
        try:
            run_submission(tmp_path/"submission.zip", tmp_path/"data", out, challenge, engine, limits, **options)
        except RunError as e:
            error = e
        return error, (out/"log.txt").read_text(), json.loads((out/"result.json").read_text())
    return run


def sealed_call(engine, tmp_path):
    "Options, image and command of the one container that was started, and how it was called."
    run, = [words for words in calls(tmp_path, engine) if "run" in words]
    return *options_of(run), run


def test_a_run_passes_and_nothing_of_it_is_left(attempt, engine, tmp_path):
    error, log, verdict = attempt()
    assert error is None, error
    assert f"{engine} version 99.0, a stand-in" in log and verdict["kind"] == "passed" and verdict["exit_code"] == 0
    assert (tmp_path/"out/submission.csv").read_text() == "moo"
    name = sealed_call(engine, tmp_path)[0]["--name"]
    assert calls(tmp_path, engine)[-1] == ["rm", "-f", *name]
    assert {p.name for p in (tmp_path/"out").iterdir()} == {"log.txt", "result.json", "submission.csv"}


# what each engine has to be told, once; None: looked at below
SAID = {
    "--rm": "", "--read-only": "", "--pull": "never", "--hostname": "submission", "--network": "none", "--cap-drop": "ALL",
    "--security-opt": "no-new-privileges", "--log-driver": "none", "--memory": "2000000000", "--memory-swap": "2000000000",
    "--cpus": "1", "--pids-limit": "64", "--shm-size": "50000000", "--workdir": "/code_execution", "--entrypoint": "/bin/sh",
    "--name": None, "--user": None, "--env": None, "--mount": None,
}
PODMAN = {"--no-hosts": "", "--http-proxy": "false", "--read-only-tmpfs": "false", "--timeout": "90"}
USERS = {("docker", 0): {"--user": "1000:1000"}, ("podman", 0): {"--user": "1000:1000"}, ("docker", 1234): {"--user": "1234:77"},
         ("podman", 1234): {"--user": "1000:1000", "--userns": "keep-id:uid=1000,gid=1000"}}


@pytest.mark.parametrize("gpu", [False, True], ids=["processor", "gpu"])
@pytest.mark.parametrize("uid", [0, 1234], ids=["root", "user"])
def test_every_flag(attempt, engine, tmp_path, monkeypatch, uid, gpu):
    "The stand-in refuses what the real one does not know; nothing is said twice, and nothing is left out."
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: 77)
    if gpu:
        (tmp_path/"programs/nvidia-smi").write_text(NVIDIA)
        (tmp_path/"programs/nvidia-smi").chmod(0o755)
    error, log, _ = attempt()
    assert error is None, error
    options, image, command, words = sealed_call(engine, tmp_path)
    cards = {"docker": {"--gpus": "all"}, "podman": {"--device": "nvidia.com/gpu=all"}}
    wanted = SAID | (PODMAN if engine == "podman" else {}) | USERS[engine, uid] | (cards[engine] if gpu else {})
    assert set(options) == set(wanted) and words[0] == "run", words
    said = {name: values for name, values in options.items() if wanted[name] is not None}
    assert said == {name: [wanted[name]] for name in said}
    assert image == IMAGES[1] and command[:4] == ["-c", '"$@"; exit $?', "sh", "sh"]
    assert command[-3:] == ["sh", "python", "main.py"] and re.fullmatch(r"whaledo-run-\w+", options["--name"][0])
    variables = dict(v.split("=", 1) for v in options["--env"])
    assert variables["HOME"] == HOME and ("CUDA_VISIBLE_DEVICES" in variables) == gpu and "PATH" not in variables


def test_what_is_mounted(attempt, engine, tmp_path):
    "The data, read-only; the run's own folders, writable; hosts and name servers, read-only; nothing else."
    assert attempt()[0] is None
    options = sealed_call(engine, tmp_path)[0]
    places = {}
    for text in options["--mount"]:
        found = re.fullmatch(r'type=bind,"source=([^"]+)",destination=([^,]+)(,readonly)?', text)
        assert found[2] not in places, text
        places[found[2]] = (Path(found[1]), bool(found[3]))
    data = {f"/code_execution/data/{n}": (tmp_path/"data"/n, True) for n in MOO.data_files}
    assert {k: v for k, v in places.items() if k in data} == data
    read_only = {k for k, (_, sealed) in places.items() if sealed} - set(data)
    assert read_only == {"/code_execution/data", "/etc/hosts", "/etc/resolv.conf"}
    writable = {k for k, (_, sealed) in places.items() if not sealed}
    assert writable == {"/code_execution", "/code_execution/submission", HOME, "/tmp"}
    assert all(str(here).startswith(f"{tmp_path}/out/.run-") for k, (here, _) in places.items() if k not in data)


CRASH = 'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\n'
ENDS = {
    "a crash": (dict(code=1, prints=f"{CRASH}KeyError: 'whale042'"), "crash", "main.py ended with exit code 1. Its last lines"),
    "an exit code of its own": (dict(code=3, prints="no"), "crash", "main.py ended with exit code 3"),
    "the network": (dict(code=1, prints=f"{CRASH}OSError: [Errno 101] Network is unreachable"), "network", "put what it needs into the zip"),
    "shared memory": (dict(code=135), "shm", "more shared memory than there is (0.05 GB)"),
    "a killed process": (dict(code=137), "memory", "was killed after"),
    "a kill by a signal": (dict(code=139), "crash", "exit code 139"),
    "nothing written": (dict(writes={}), "silent", "did not write"),
    "no container": (dict(refuses="Error response from daemon: OCI runtime create failed"), "engine",
                     "could not make the sandbox: {engine}: Error response from daemon: OCI runtime create failed"),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_run_ends(attempt, engine, tmp_path, name):
    what, kind, told = ENDS[name]
    acts(tmp_path, engine, **PASSES | what)
    error, log, verdict = attempt()
    assert error and error.kind == kind and told.format(engine=engine) in str(error), error
    assert verdict["kind"] == kind and verdict["exit_code"] == REASONS[kind][0] and log.endswith(f"failed: {error}\n")
    container = sealed_call(engine, tmp_path)[0]["--name"]
    assert calls(tmp_path, engine)[-1] == ["rm", "-f", *container]
    assert {p.name for p in (tmp_path/"out").iterdir()} == {"log.txt", "result.json"}


STOPS = {
    "time": (dict(sleeps=99), Limits(hours=2/3600, memory_gb=2), "was stopped at the limit of 2 s"),
    "memory": (dict(sleeps=99, holds=4e8), Limits(hours=60/3600, memory_gb=.2), "over the limit of 0.2 GB"),
}


@pytest.mark.parametrize("kind", STOPS)
def test_a_limit_removes_the_container(attempt, engine, tmp_path, kind):
    what, limits, told = STOPS[kind]
    acts(tmp_path, engine, **PASSES | what)
    start = time.monotonic()
    error, _, verdict = attempt(limits)
    assert error.kind == kind and told in str(error) and verdict["stopped_for"] == kind, error
    assert time.monotonic() - start < 30
    name, pid = (tmp_path/engine/"pids").read_text().split()
    assert ["rm", "-f", name] in calls(tmp_path, engine) and not psutil.pid_exists(int(pid))


def test_the_container_goes_when_the_run_is_told_to_end(engine, tmp_path):
    acts(tmp_path, engine, **PASSES | dict(sleeps=99))
    program = ("import sys, zipfile\nfrom pathlib import Path\nfrom test_engines import LIMITS, MOO\n"
               "from whaledo.runner.runtime import run_submission, RunError\nhere = Path(sys.argv[1])\n"
               "(here/'data/herd').mkdir(parents=True)\n(here/'data/cow.txt').touch()\n"
               "with zipfile.ZipFile(here/'submission.zip', 'w') as z: z.writestr('main.py', '1')\n"
               "try: run_submission(here/'submission.zip', here/'data', here/'out', MOO, sys.argv[2], LIMITS)\n"
               "except RunError as e: sys.exit(e.exit_code)\n")
    env = os.environ | dict(PYTHONPATH=os.pathsep.join([*sys.path, str(STANDIN.parent)]))
    run = subprocess.Popen([sys.executable, "-c", program, tmp_path, engine], env=env)
    started = tmp_path/engine/"pids"
    for _ in range(600):
        if started.exists():
            break
        time.sleep(.1)
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == REASONS["terminate"][0]
    name, pid = started.read_text().split()
    assert ["rm", "-f", name] in calls(tmp_path, engine) and not psutil.pid_exists(int(pid))
    assert json.loads((tmp_path/"out/result.json").read_text())["kind"] == "terminate"


DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def test_what_is_missing_is_said(attempt, engine, tmp_path, monkeypatch):
    acts(tmp_path, engine, images=[])
    error, _, _ = attempt()
    assert error.kind == "engine" and f"{engine} has no image of the runtime; `make build ENGINE={engine}`" in str(error)
    monkeypatch.setenv("SUBMISSION_IMAGE", "example.org/mine:2")
    assert f"{engine} has no image example.org/mine:2; pull it, or unset SUBMISSION_IMAGE" in str(attempt()[0])
    acts(tmp_path, engine, images=["example.org/mine:2"], writes=PASSES["writes"])
    assert attempt()[0] is None and sealed_call(engine, tmp_path)[1] == "example.org/mine:2"


def test_a_daemon_that_does_not_run_is_said(attempt, engine, tmp_path):
    acts(tmp_path, engine, images=[], down=DOWN)
    error, _, verdict = attempt()
    assert error.kind == "engine" and f"{engine} does not answer ({engine}: {DOWN})" in str(error)
    assert verdict["exit_code"] == 10 and not calls(tmp_path, engine)
    (tmp_path/"programs"/engine).unlink()
    assert f"{engine} is not installed" in str(attempt()[0])


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
class TestPodman:
    "What Podman alone may lack."

    def test_limits_that_it_cannot_hold_are_left_to_the_watch(self, attempt, engine, tmp_path):
        acts(tmp_path, engine, **PASSES | dict(controllers="[pids]"))
        assert attempt()[0] is None
        options = sealed_call(engine, tmp_path)[0]
        assert options["--pids-limit"] == ["64"] and not {"--memory", "--memory-swap", "--cpus"} & set(options)

    def test_a_driver_that_copies_images_is_refused(self, attempt, engine, tmp_path):
        acts(tmp_path, engine, **PASSES | dict(driver="vfs"))
        assert 'driver = "overlay"' in str(attempt()[0])

    def test_every_way_to_start_is_tried(self, attempt, engine, tmp_path):
        acts(tmp_path, engine, **PASSES | dict(trial="OCI permission denied"))
        error, _, _ = attempt()
        assert error.kind == "engine" and "podman cannot start a container (podman: OCI permission denied)" in str(error)
        tried = [json.loads(line) for line in (tmp_path/engine/"calls.jsonl").read_text().splitlines()]
        tried = [words for words in tried if "true" in words]
        assert [words[:3] == ["--runtime", "runc", "run"] for words in tried] == [False, True, False, True]
        assert ["--ulimit" in words for words in tried] == [False, False, True, True]


def test_a_shell_has_a_network_and_no_entry_point(engine, tmp_path, monkeypatch):
    (tmp_path/"data/herd").mkdir(parents=True)
    (tmp_path/"data/cow.txt").touch()
    monkeypatch.setattr(sys, "stdin", open(os.devnull))
    assert shell_in_sandbox(tmp_path/"no.zip", tmp_path/"data", MOO, engine) == 0
    options, _, command, _ = sealed_call(engine, tmp_path)
    assert "--network" not in options and "--tty" not in options and options["--interactive"] == [""]
    assert command[-2:] == ["sh", "bash"] and options["--read-only"] == [""]


def test_build_and_pull(engine, tmp_path, ok):
    ok("build", "--engine", engine, "--cpu-or-gpu", "gpu", "--base-image", "mine:1")
    ok("pull", "--engine", engine, "--image", "localhost:5000/x")
    built, pulled = calls(tmp_path, engine)
    assert built[:5] == ["build", "--build-arg", "CPU_OR_GPU=gpu", "--build-arg", "BASE_IMAGE=mine:1"]
    assert built[5:7] == ["--tag", "whaledo-runtime:gpu"] and Path(built[7]).name == "runtime"
    assert pulled == ["pull", *(["--tls-verify=false"] if engine == "podman" else []), "localhost:5000/x"]
