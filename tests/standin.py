"""Stands in for docker or podman: writes down how it was called, refuses what the real one refuses, and plays a container.

It is called as `standin.py ENGINE FOLDER ARGUMENTS...`. FOLDER holds `play.json` (what the engine has, and what the submission
does) and gets `calls.jsonl` (a line for each call) and `pids` (of played containers).
"""
import csv
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

# options of `run` that both know, with the number of their arguments
BOTH = {
    "--rm": 0, "--interactive": 0, "--tty": 0, "--read-only": 0,
    **dict.fromkeys("--pull --name --hostname --network --cap-drop --security-opt --log-driver --user --memory --memory-swap --cpus "
                    "--pids-limit --shm-size --env --mount --workdir --entrypoint --ulimit --device".split(), 1),
}
# what only one of them knows; Podman takes values behind an equals sign as well, as for --http-proxy
OWN = {
    "docker": {"--gpus": 1},
    "podman": {"--userns": 1, "--timeout": 1, "--no-hosts": 0, "--http-proxy": 0, "--read-only-tmpfs": 0},
}


def refuse(engine, sentence, code=125):
    "End as an engine ends that made no container."
    sys.stderr.write(f"{engine}: {sentence}\n")
    sys.exit(code)


def parse_run(engine, words):
    "Options (name -> list of values), image and command of `run`, as the engine's own parser would take them."
    known = BOTH | OWN[engine]
    options = {}
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name not in known:
            refuse(engine, f"unknown flag: {name}")
        if known[name] and not equals:
            value = words.pop(0)
        options.setdefault(name, []).append(value)
    return options, words[0], words[1:]


def parse_mount(engine, text):
    "One value of --mount: a line of CSV; the source has to be there."
    fields = next(csv.reader([text]))
    mount = dict(field.partition("=")[::2] for field in fields)
    if set(mount) - {"type", "source", "destination", "readonly"} or mount["type"] != "bind":
        refuse(engine, f"invalid mount: {text}")
    if not Path(mount["source"]).is_absolute() or not Path(mount["source"]).exists():
        refuse(engine, f"bind source path does not exist: {mount['source']}")
    return mount["destination"], Path(mount["source"]), "readonly" in mount


def outside(mounts, path):
    "Where a path of the container lies on this machine."
    inside = max((m for m in mounts if path == m or path.startswith(m + "/")), key=len)
    return mounts[inside] / path[len(inside):].lstrip("/")


def play(engine, folder, acts, words):
    "Be the container: nothing of the submission runs, but what it would leave is left."
    options, image, command = parse_run(engine, words)
    if options.get("--entrypoint") == ["true"]: # a trial
        if acts.get("trial"):
            refuse(engine, acts["trial"], 126)
        return 0
    if image not in acts["images"]:
        refuse(engine, f"no such image: {image}")
    mounts = {inside: here for inside, here, _ in (parse_mount(engine, m) for m in options["--mount"])}
    with (folder/"pids").open("a") as f:
        f.write(f"{options['--name'][0]} {os.getpid()}\n")
    if acts.get("refuses"):
        refuse(engine, acts["refuses"])
    with suppress(FileNotFoundError):
        outside(mounts, "/tmp/.starting").unlink() # the entry point was reached
    print(acts.get("prints", "moo"), flush=True)
    held = b"x" * int(acts.get("holds", 0))
    for name, text in acts.get("writes", {}).items():
        outside(mounts, name).write_text(text)
    time.sleep(acts.get("sleeps", 0))
    del held
    return acts.get("code", 0)


def played(folder):
    "Names and process ids of the containers that were started."
    with suppress(FileNotFoundError):
        return [line.split() for line in (folder/"pids").read_text().splitlines()]
    return []


def answer(engine, folder, acts, words):
    "Everything but `run`."
    if words[0] == "--version":
        print(f"{engine} version 99.0, a stand-in")
    elif words[0] == "info":
        if acts.get("down"):
            refuse(engine, acts["down"], 1)
        print({"{{.Store.GraphDriverName}}": acts.get("driver", "overlay"),
               "{{.Host.CgroupControllers}}": acts.get("controllers", "[cpuset cpu io memory pids]")}.get(words[-1], "a stand-in"))
    elif words[:2] == ["image", "inspect"]:
        return int(words[2] not in acts["images"])
    elif words[0] == "inspect":
        pids = [pid for name, pid in played(folder) if name == words[-1]]
        print(*pids)
        return int(not pids)
    elif words[:2] == ["rm", "-f"]:
        for _, pid in [p for p in played(folder) if p[0] == words[2]]:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    elif words[0] not in ("build", "pull"):
        refuse(engine, f"'{words[0]}' is not a command", 1)
    return 0


def main(engine, folder, *words):
    folder = Path(folder)
    with (folder/"calls.jsonl").open("a") as f:
        f.write(json.dumps(words) + "\n")
    acts = json.loads((folder/"play.json").read_text())
    words = list(words)
    if engine == "podman" and words[0] == "--runtime":
        words = words[2:]
    if words[0] == "run":
        return play(engine, folder, acts, words[1:])
    return answer(engine, folder, acts, words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
