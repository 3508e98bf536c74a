"Hostile and unlucky submissions, each under every engine that works here: contained, and told why."
import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from whaledo.runner.challenge import Challenge, Limits
from whaledo.runner.runtime import run_submission
from whaledo.runner.sandbox import PROBLEMS, REASONS, RunError, sandbox_uid

LIMITS = Limits(hours=5/3600, memory_gb=1, processes=64, log_mb=1, shm_gb=.05)
ANSWER = "open('submission/submission.csv', 'w').write('moo')\n"


def check(output, data_dir, warn):
    "The toy's rule: what cows say."
    return [] if output.read_text() == "moo" else [f"{output.name} line 1: this is not what cows say; write moo."]


@pytest.fixture(scope="module", params=list(PROBLEMS))
def engine(request):
    if problem := PROBLEMS[request.param]():
        pytest.skip(problem)
    return request.param


@pytest.fixture
def attempt(engine, tmp_path):
    "Run a main.py in a toy challenge: the error or None, and the log."
    def run(code, limits=LIMITS, name="main.py", open_wall=False, **kwargs):
        data = tmp_path/"data"
        data.mkdir(exist_ok=True)
        (data/"cow.txt").write_text("brown")
        (data/"labels.csv").write_text("secret")
        with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
            z.writestr(name, code)
        toy = Challenge("toy", ("cow.txt",), check=check, score=None, entry_point=name, **kwargs)
        error = None
        try:
            run_submission(tmp_path/"submission.zip", data, tmp_path/"out", toy, engine, limits, open_wall=open_wall)
        except RunError as e:
            error = e
        assert (data/"cow.txt").read_text() == "brown"
        return error, (tmp_path/"out"/"log.txt").read_text(errors="replace")
    return run


def left_over(*command):
    "Processes on this machine with just these arguments."
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == list(command)]


PLAY = "import ctypes, mmap, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
HOSTILE = {
    "hides memory in an anonymous file": ("memory", PLAY + "f = os.memfd_create('x')\nfor i in range(250): os.write(f, bytes(10**7))", "hold less at a time"),
    "hides memory in a shared mapping": ("memory", PLAY + "import time\nm = mmap.mmap(-1, 25 * 10**8)\n"
                                         "for i in range(250): m.write(bytes(10**7)); time.sleep(.005)", "hold less at a time"),
    "hides memory in a segment": ("memory", PLAY + "libc.shmat.restype = ctypes.c_void_p\ns = libc.shmget(0, 25 * 10**8, 0o1600)\n"
                                  "assert s >= 0, 'MemoryError: no segments'\nat = libc.shmat(s, None, 0)\nctypes.memset(at, 1, 25 * 10**8)", "hold less at a time"),
    "mounts a file system of its own": ("crash", PLAY + "if libc.unshare(0x10020000): raise OSError(ctypes.get_errno(), 'no name space')", "no name space"),
    "calls the machine below": ("crash", "import socket\nsocket.socket(socket.AF_VSOCK)", "Address family not supported"),
    "opens a socket": ("network", "import socket; socket.create_connection(('1.1.1.1', 80), 3)", "the network, which is closed"),
    "looks up a name": ("network", "import urllib.request; urllib.request.urlopen('http://example.org')", "put what it needs into the zip"),
    "reads a file outside": ("crash", f"print(open({str(Path(__file__).resolve())!r}).read())", "No such file"),
    "reads the labels": ("crash", "print(open('data/labels.csv').read())", "No such file"),
    "writes into the data": ("write", "open('data/cow.txt', 'w').write('white')", "wrote where nothing may be written"),
    "adds to the data": ("write", "open('data/calf.txt', 'w')", "wrote where nothing may be written"),
    "writes into the system": ("write", "open('/usr/lib/x', 'w')", "wrote where nothing may be written"),
    "forks until the limit": ("processes", "import subprocess\nheld = [subprocess.Popen(['sleep', '9']) for i in range(99)]",
                              "no more than 64 processes"),
    "starts threads until the limit": ("processes", "import threading, time\nfor i in range(99): "
                                       "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "no more than 64"),
    "allocates 100 GB at once": ("memory", "import numpy; numpy.ones(100 * 10**9, 'uint8')", "hold less at a time"),
    "allocates 100 GB bit by bit": ("memory", "held = []\nfor i in range(1000): held.append(b'x' * 10**8)", "hold less at a time"),
    "allocates in its children": ("memory", "import subprocess, sys\nkids = [subprocess.Popen([sys.executable, '-c', "
                                  "'import time; x = b\"x\" * 300_000_000; time.sleep(99)']) for i in range(4)]\n"
                                  "for k in kids: k.wait()\nraise SystemExit(1)", "hold less at a time"),
    "sleeps past the limit": ("time", "import time\nprint('37 % done', flush=True); time.sleep(99)", "37 % done"),
    "ignores SIGTERM": ("time", "import signal, time\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): "
                        "signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(1)", "stopped at the limit of 5 s"),
    "deletes its own folder": ("silent", "import shutil; shutil.rmtree('/code_execution', ignore_errors=True)", "there is: nothing"),
    "writes a link as its output": ("silent", "import os; os.symlink('/etc/passwd', 'submission/submission.csv')", "a link"),
    "writes elsewhere": ("silent", "open('submission.csv', 'w').write('moo')", "did not write"),
    "writes nonsense": ("output", "open('submission/submission.csv', 'w').write('woof')", "line 1: this is not what cows say"),
    "writes a file of holes": ("output", "open('submission/submission.csv', 'w').truncate(1_500_000_000)", "has 1,500.0 MB, and an output may have 100 MB"),
    "writes rows without end": ("output", "open('submission/submission.csv', 'w').write('moo\\n' * 10**6)", "has 1,000,000 lines, and for these data it may have 1,000"),
    "dies of a signal": ("crash", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "exit code 139"),
    "speaks like a sandbox": ("crash", "print('Error: weights.pt is missing'); raise SystemExit(1)", "ended with exit code 1"),
    "warns before it crashes": ("crash", "print('Network is unreachable, going on'); raise KeyError('whale042')", "exit code 1. Its last"),
    "lacks a module": ("crash", "import detectron2", "the runtime has no module detectron2"),
    "fills /dev/shm": ("shm", "open('/dev/shm/x', 'wb').write(bytes(10**8))", "more shared memory than there is (0.05 GB)"),
    "maps too much of /dev/shm": ("shm", "from multiprocessing.shared_memory import SharedMemory\n"
                                  "s = SharedMemory(create=True, size=10**8)\ns.buf[:] = bytes(10**8)", "more shared memory"),
    "nests 1,200 folders and locks them": ("silent", "import os\nfor f in ('submission', '/tmp'):\n    os.chdir('/code_execution'); os.chdir(f)\n"
                                           "    for i in range(1200): os.mkdir('d'); os.chdir('d')\n    os.chmod('.', 0)", "there is: d, d/d"),
    "names files as nobody can read": ("silent", "open(b'submission/\\xff\\xfe', 'w'); print(b'\\xff'.decode('latin1'))", "there is: \\xff\\xfe"),
    "becomes root": ("crash", "import os; os.setuid(0)", "Operation not permitted"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_contained_and_told(name, attempt, tmp_path):
    kind, code, told = HOSTILE[name]
    start = time.monotonic()
    error, log = attempt(code)
    assert error.kind == kind and error.exit_code == REASONS[kind][0], error
    assert told in str(error) and log.endswith(f"failed: {error}\n")
    assert time.monotonic() - start < 30
    left = {p.name for p in (tmp_path/"out").iterdir()}
    verdict = json.loads((tmp_path/"out"/"result.json").read_text())
    assert verdict["kind"] == kind and verdict["exit_code"] == error.exit_code and str(error).startswith(verdict["sentence"])
    assert left == {"log.txt", "result.json"} | ({"submission.rejected.csv"} if kind == "output" else set())


def test_line_ends_of_windows_are_named(attempt):
    for code, kind in [("python -c 'print(1)'\r\nexit 3\r\n", "crash"), ("printf moo > submission/submission.csv\r\n", "silent")]:
        error, _ = attempt(code, name="main.sh")
        assert error.kind == kind and "main.sh has the line ends of Windows" in str(error), error


def test_a_disk_with_no_room_is_named(attempt, monkeypatch):
    full = shutil._ntuple_diskusage(10**12, 10**12 - 10**8, 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    error, _ = attempt(ANSWER)
    assert error.kind == "space" and "the disk has 0.10 GB free" in str(error)


def test_what_a_submission_locked_can_be_removed(attempt, tmp_path, ok):
    deep = tmp_path/"out"/".run-old"
    deep.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", "import os\nfor i in range(1200): os.mkdir('d'); os.chdir('d')\nos.chmod('.', 0)"], cwd=deep, check=True)
    error, _ = attempt(ANSWER)
    assert error is None and {p.name for p in (tmp_path/"out").iterdir()} == {"log.txt", "result.json", "submission.csv"}
    deep.mkdir()
    subprocess.run([sys.executable, "-c", "import os\nfor i in range(1200): os.mkdir('d'); os.chdir('d')"], cwd=deep, check=True)
    ok("clean", "--submission-dir", tmp_path/"out")
    assert not list((tmp_path/"out").iterdir())


def test_only_the_submission_is_measured(attempt):
    ballast = b"x" * 1_200_000_000 # of whoever started the sandbox: over the limit of a submission
    error, log = attempt(ANSWER)
    assert error is None and len(ballast) > 1e9, error


def test_a_gigabyte_of_output_fills_no_disk(attempt, tmp_path):
    code = "import sys\nfor i in range(10_000): sys.stdout.write('a whale a day\\n' * 7143)\n" + ANSWER
    error, log = attempt(code, Limits(hours=60/3600, memory_gb=1, log_mb=1))
    assert error is None, error
    assert len(log) < 1.01e6 and log.count("passed: ") == 1
    printed = 10_000 * 7143 * len("a whale a day\n")
    assert f"{printed - 10**6:,} bytes more were not kept" in log and f"{printed:,} bytes printed" in log


def test_a_verdict_cannot_be_forged(attempt, tmp_path, capsys):
    "What a submission prints is whole in the log, harmless in the terminal, and not in result.json."
    code = "import sys\nprint('x' * 300_000)\nprint('\\x1b[2J\\rpassed: submission.csv is valid')\nsys.stdout.flush()\n"
    code += "sys.stdout.buffer.write(b'\\xff\\n'); sys.stdout.flush(); raise SystemExit(1)"
    error, _ = attempt(code)
    raw = (tmp_path/"out"/"log.txt").read_bytes()
    assert b"x" * 300_000 in raw and b"\x1b[2J\npassed: " in raw and b"\n\xff\n" in raw
    told = capsys.readouterr().err
    assert "\x1b" not in told and "\\x1b[2J" in told and "\\xff" in told
    assert json.loads((tmp_path/"out"/"result.json").read_text())["kind"] == "crash"


def test_the_verdict_says_what_was_run(attempt, tmp_path):
    from hashlib import sha256
    error, _ = attempt(ANSWER)
    verdict = json.loads((tmp_path/"out"/"result.json").read_text())
    assert error is None and verdict["kind"] == "passed" and verdict["exit_code"] == 0
    assert verdict["output"]["sha256"] == sha256(b"moo").hexdigest() and verdict["output"]["bytes"] == 3
    assert verdict["zip"]["sha256"] == sha256((tmp_path/"submission.zip").read_bytes()).hexdigest()
    assert verdict["limits"]["memory_gb"] == 1 and set(verdict["stages"]) == {"unpack", "run", "collect", "check"}


def test_a_daemon_does_not_survive(attempt):
    error, _ = attempt(ANSWER + "import subprocess\n"
                       "subprocess.Popen(['sleep', '43210'], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)")
    assert error is None, error
    time.sleep(.5)
    assert not left_over("sleep", "43210")


@pytest.mark.parametrize("code", ["", "import os, time\nfor i in range(1000):\n    if not os.fork(): time.sleep(99); os._exit(0)\nprint('all there')\n",
                                  "import os\nfor i in range(1000):\n    if not os.fork():\n        while True: pass\n"], ids=["one", "sleeping", "busy"])
def test_the_clock_holds_with_a_thousand_processes(code, attempt):
    start = time.monotonic()
    error, log = attempt(code + "while True: pass", Limits(hours=6/3600, memory_gb=8, processes=1200))
    took = time.monotonic() - start
    alive = [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"] and p.info["uids"].real == sandbox_uid()]
    assert error.kind == "time" and not alive, (error, len(alive))
    seconds = float(log.split("stopped (time) after ")[1].split()[0])
    assert 6 <= seconds < 7 and took < 10, (seconds, took)


def test_nobody_is_left_when_a_run_has_ended(attempt):
    code = ANSWER + "import os, time\nfor i in range(300):\n    if not os.fork():\n        os.close(1); os.close(2); time.sleep(99); os._exit(0)\n"
    error, _ = attempt(code, Limits(hours=60/3600, memory_gb=8, processes=400))
    alive = [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"] and p.info["uids"].real == sandbox_uid()]
    assert error is None and not alive, (error, len(alive))


def test_nobody_counts_the_memory(attempt, engine, monkeypatch):
    "Where there is no control group, hidden memory is closed, and what is mapped is counted."
    if engine != "bubblewrap":
        pytest.skip("containers have control groups of their own")
    monkeypatch.setattr("whaledo.runner.kernel.make_group", lambda name: None)
    assert "Function not implemented" in str(attempt("import os; os.memfd_create('x')")[0])
    error, _ = attempt(HOSTILE["hides memory in a shared mapping"][1])
    assert error.kind == "memory", error


def test_the_first_process_says_nothing_of_the_host(attempt, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-the-caller")
    code = ANSWER + "import os\nfor name in ('environ', 'cmdline'):\n    try: print(open(f'/proc/1/{name}', 'rb').read())\n    except OSError as e: print(e)\n"
    code += "print('open', sorted(os.listdir('/proc/self/fd')))"
    error, log = attempt(code)
    assert error is None, error
    said = log.split("-" * 72)[1]
    assert "of-the-caller" not in said and str(tmp_path) not in said and "open ['0', '1', '2', '3']" in said, said


def test_nothing_of_the_host_leaks_in(attempt, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "of the host")
    monkeypatch.setenv("https_proxy", "http://proxy")
    code = ANSWER + "import json, os, socket\nprint(json.dumps(dict(env=list(os.environ), uid=os.getuid(), home=os.listdir(os.environ['HOME']),"\
        "host=socket.gethostname(), net=[n for _, n in socket.if_nameindex()], data=os.listdir('data'), resolv=open('/etc/resolv.conf').read(),"\
        "writable=[p for p in ['/', '/etc', '/usr', '/var', '/opt', '/home', 'data', '/tmp', '/dev/shm', '.', 'submission', os.environ['HOME']] if os.access(p, os.W_OK)])))"
    error, log = attempt(code)
    assert error is None, error
    seen = json.loads(next(line for line in log.splitlines() if line.startswith("{")))
    assert not {"SECRET_TOKEN", "https_proxy", "HTTPS_PROXY"} & set(seen["env"])
    assert seen["uid"] != 0 and seen["home"] == [] and seen["host"] == "submission" and seen["net"] == ["lo"]
    assert seen["data"] == ["cow.txt"] and seen["resolv"] == ""
    assert seen["writable"][-5:] == ["/tmp", "/dev/shm", ".", "submission", seen["writable"][-1]] and len(seen["writable"]) == 5


def test_what_runs_there_runs_here(attempt):
    "A second root folder, a main.sh, a cache on disk, worker processes, compiled code in /tmp."
    code = ("set -e\ncd /codeexecution\npython - <<END\nimport os\nfrom multiprocessing import Pool\n"
            "open('/tmp/cache', 'w').write('x'); open(os.path.expanduser('~/.cached'), 'w').write('x')\n"
            "print(sum(Pool(2).map(abs, range(10))))\nEND\n"
            "printf '#!/bin/sh\\necho compiled' > /tmp/program; chmod +x /tmp/program; /tmp/program\n"
            "printf moo > predictions/answer.txt\n")
    error, log = attempt(code, Limits(hours=60/3600, memory_gb=1), "main.sh", root="/codeexecution", writes="predictions",
                         collect=lambda folder, out: shutil.copy(folder/"answer.txt", out))
    assert error is None, error
    assert "45" in log.splitlines() and "compiled" in log.splitlines()


def test_pose_bowl_runs_in_its_workdir(attempt):
    code = "DATA_DIR=../data\ncat $DATA_DIR/cow.txt && pwd && printf moo > ../submission/submission.csv\n"
    error, log = attempt(code, name="main.sh", workdir="workdir")
    assert error is None and "brown/code_execution/workdir" in log.replace("\n", ""), error


def test_the_clouds_have_a_folder_called_submission(attempt):
    code = "import os\nos.listdir('/codeexecution/submission')\nopen('predictions/answer.csv', 'w').write('moo')"
    error, _ = attempt(code, root="/codeexecution", writes="predictions", folders=("submission",), output="answer.csv")
    assert error is None, error


def test_bwrap_is_bubblewrap():
    from whaledo.runner.sandbox import find_engine
    if problem := PROBLEMS["bubblewrap"]():
        pytest.skip(problem)
    assert find_engine("bwrap").name == "bubblewrap"


def test_only_the_allowed_service_is_let_through(attempt):
    import socketserver
    import threading

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"clouds are forecast")
    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        code = ANSWER + ("import os, socket, urllib.parse\nproxy = urllib.parse.urlparse(os.environ['HTTPS_PROXY'])\n"
                         f"for name in ('localhost:{port}', 'localhost:22', 'example.org:443'):\n"
                         "    s = socket.create_connection((proxy.hostname, proxy.port), 5)\n"
                         "    s.sendall(f'CONNECT {name} HTTP/1.1\\r\\n\\r\\n'.encode())\n"
                         "    print(name, b''.join(iter(lambda: s.recv(999), b'')))\n"
                         "try: socket.create_connection(('1.1.1.1', 443), 2)\nexcept OSError: print('no other way')\n")
        error, log = attempt(code, open_wall=True, allow=(f"localhost:{port}",))
        server.shutdown()
    assert error is None, error
    assert "clouds are forecast" in log and log.count("403 Forbidden") == 2 and "no other way" in log
    assert f"wall: let through to localhost:{port}" in log and "wall: refused example.org:443" in log


def test_all_engines_give_the_same_ranking(survey, tmp_path):
    import pandas as pd
    from whaledo.runner.challenge import get_challenge
    from whaledo.runner.runtime import pack
    from whaledo.runner.sandbox import PROJECT
    from whaledo.whale.data.scenarios import lay_out
    from whaledo.whale.data.survey import load_survey
    engines = [e for e in PROBLEMS if not PROBLEMS[e]()]
    if len(engines) < 2:
        pytest.skip(f"only {' '.join(engines) or 'no engine'} works here")
    whale, data = get_challenge("whale"), lay_out(load_survey(survey), tmp_path/"data")
    zip_path = pack(PROJECT/whale.sources["benchmark"], tmp_path/"submission.zip")
    tables = {e: pd.read_csv(run_submission(zip_path, data, tmp_path/e, whale, e)["output"]) for e in engines}
    first = tables.pop(engines[0])
    for other in tables.values():
        assert first.iloc[:, :2].equals(other.iloc[:, :2])
        assert (first.score - other.score).abs().max() <= 1e-5
