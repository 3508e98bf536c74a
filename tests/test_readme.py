"""Every command of README and of the tutorials: make's targets and variables are there, whaledo's arguments are taken by its own parser,
numbers are those of results/, and what takes seconds is run, in the order of the page, on a small survey."""
import configparser
import re
import shlex
import shutil
import subprocess

import pandas as pd
import pytest
import typer

from conftest import ROOT
from whaledo.cli import app, main

PAGES = [ROOT/"README.md", ROOT/"CONTRIBUTING.md", ROOT/"whaledo/_project/README.md", *sorted((ROOT/"docs").rglob("*.md"))]
MAKEFILE = (ROOT/"Makefile").read_text()
WHALEDO = {"whaledo", ".venv/bin/whaledo"}
SETTINGS = configparser.ConfigParser(delimiters=["="])
SETTINGS.read(ROOT/"settings.ini", encoding="utf-8")
# programs of other people: known by what they may be asked here
OTHERS = {
    ("uv", "build"), ("sudo", "apt-get"), ("cd",), ("rm", "-r"), (".venv/bin/uv", "pip"), (".venv/bin/jupyter", "nbconvert"),
}


def blocks(text):
    "The commands of a page's blocks of shell, as words."
    for block in re.findall(r"(?ms)^[ ]*```(?:sh|bash)\n(.*?)^[ ]*```", text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from filter(None, (shlex.split(part, comments=True) for part in line.split("&&")))


def in_prose(text):
    "What stands in backticks between them; arguments may be left out there."
    prose = re.sub(r"(?ms)^[ ]*```.*?^[ ]*```", "", text)
    for found in re.findall(r"`((?:make|whaledo|\.venv/bin/whaledo|pip install) [^`]+)`", prose):
        yield shlex.split(found)


def of_pages(of):
    return [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in of(page.read_text())]


WHOLE = of_pages(blocks)
PARTS = of_pages(in_prose)


def problem_of_make(words):
    "What is wrong with a command of make; nothing where it would do something."
    targets = [w for w in words[1:] if "=" not in w]
    variables = [w.partition("=")[0] for w in words[1:] if "=" in w]
    if unknown := [v for v in variables if not re.search(rf"(?m)^{v}\s*\?=", MAKEFILE)]:
        return f"no variable {unknown}"
    done = subprocess.run(["make", "-n", "-C", str(ROOT), *words[1:]], capture_output=True, text=True)
    missing = [t for t in targets if not re.search(rf"(?m)^([a-z -]* )?{t}( [a-z -]*)?:", MAKEFILE)]
    return f"no target {missing}" if missing else done.stderr if done.returncode else ""


def problem_of_whaledo(words, whole=True):
    "What its own parser says of a command; it is not run."
    command = typer.main.get_command(app)
    words = words[1:]
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"no command {words[:1]}" if whole or words else ""
        command = command.commands[words[0]]
        words = words[1:]
    try:
        command.make_context("whaledo", [*words])
    except Exception as e: # of click, or of the copy of it that typer brings
        left_out = not whole and "Missing" in type(e).__name__
        return "" if left_out or type(e).__name__ == "Exit" else e.format_message()
    return ""


def problem_of_pip(words):
    "Extras and packages that settings.ini does not have."
    settings = SETTINGS["DEFAULT"]
    extras = {k.removesuffix("_requirements"): v for k, v in settings.items() if k.endswith("_requirements")}
    for word in (w for w in words[2:] if not w.startswith("-")):
        name, _, asked = word.rstrip("]").partition("[")
        if name == "whaledo" and not {*filter(None, asked.split(","))} <= {*extras}:
            return f"no extra {asked}"
        if name != "whaledo" and not any(name in v for v in extras.values()):
            return f"{name} is no package of ours"
    return ""


def problem_of(words, whole=True):
    if words[0] in WHALEDO:
        return problem_of_whaledo(words, whole)
    if words[0] == "make":
        return problem_of_make(words)
    if words[:2] == ["pip", "install"]:
        return problem_of_pip(words)
    if words[0] in ("python", "bash"):
        return "" if (ROOT/words[1]).exists() else f"{words[1]} is not there"
    return "" if OTHERS & {tuple(words[:n]) for n in (1, 2)} or words[:1] == ["cd"] else f"nobody knows {words[0]}"


def test_pages_have_commands():
    assert len(WHOLE) > 70 and len(PARTS) > 20 and {page for page, _ in WHOLE} >= {"README.md", "docs/tutorials/biologist.md", "docs/tutorials/organiser.md"}


def name_of(x):
    return x if isinstance(x, str) else " ".join(x)[:60]


@pytest.mark.parametrize("page, words", WHOLE, ids=name_of)
def test_command(page, words):
    assert not problem_of(words)


@pytest.mark.parametrize("page, words", PARTS, ids=name_of)
def test_command_in_prose(page, words):
    assert not problem_of(words, whole=False)


@pytest.mark.parametrize("text, said", [
    ("make trian", "trian"), ("make train RECIEP=small", "no variable"), ("whaledo mach photos", "mach"),
    ("whaledo match new --recipe small", "--recipe"), ("whaledo count", "source"), ("whaledo count c.db --seed x", "seed"),
    ("pip install 'whaledo[fast]'", "no extra"), ("conda install whaledo", "nobody knows"), ("python scoring/none.py", "is not there")])
def test_a_wrong_command_is_found(text, said):
    assert said in problem_of(shlex.split(text))


def test_readme_is_one_page():
    assert len((ROOT/"README.md").read_text().splitlines()) <= 125


def test_what_is_run_is_told():
    "Every command of `whaledo` is on some page."
    told = {words[1] for _, words in WHOLE + PARTS if words[0] in WHALEDO and len(words) > 1} | set(re.findall(r"`([a-z-]+)`", "".join(
        p.read_text() for p in PAGES)))
    left = {name for name in typer.main.get_command(app).commands} - told
    assert left <= {"bench", "bench-gpu", "report", "clean", "pack", "score", "build", "pull", "interact", "demo", "data", "test-container",
                    "audit", "ablate", "test-submission", "import-decisions"} # the menu of make has them, or the reference


NUMBERS = {"chance": "chance", "HOG benchmark": "HOG", "MobileNet, ImageNet weights as they are": "network, ImageNet weights as they are",
           "`RECIPE=frozen`, nothing trained": "RECIPE=frozen", "`RECIPE=small`, 21 minutes on two busy cores": "RECIPE=small",
           "`RECIPE=long`, 51 minutes on two busy cores that have bfloat16": "RECIPE=long",
           "`RECIPE=long` on a processor without bfloat16 (AVX2 alone), 91 minutes on two busy cores": "RECIPE=long, AVX2 alone",
           "`small` without a second look and without neighbours": "RECIPE=small before a second look",
           "`long` without a second look and without neighbours": "RECIPE=long before a second look",
           "`long` started from MobileNetV2, 37 minutes on such cores": "long from MobileNetV2"}


def numbers(text):
    return [float(n) for n in re.findall(r"\.\d+", text)]


@pytest.mark.parametrize("page, least", [("README.md", 5), ("docs/tutorials/data_scientist.md", 10)])
def test_numbers_are_those_of_the_rows(page, least):
    rows = pd.read_csv(ROOT/"results/nyala_exam.csv").set_index("method")
    columns = ["mAP", "low", "high", "top1", "top1_low", "top1_high"]
    lines = (ROOT/page).read_text().splitlines()
    checked = 0
    for said, method in NUMBERS.items():
        for line in (line for line in lines if line.startswith(f"| {said} |")):
            assert numbers(line) == pytest.approx(rows.loc[method, columns].tolist(), abs=.00051), line
            checked += 1
    assert checked == least


QUICK = {"README.md": {"new", "import-photos", "catalogue-book"},
         "docs/tutorials/biologist.md": {"new", "check-survey", "import-photos", "history", "scenarios", "export-photos", "count", "associations",
                                        "catalogue-book", "survey-pages"}}


@pytest.mark.parametrize("page", QUICK)
def test_quick_commands_run_in_the_order_of_the_page(page, survey, tmp_path, monkeypatch, capsys):
    "What matches, trains or opens a browser is only parsed; `new` makes the folder that the others are typed in."
    ran = []
    monkeypatch.chdir(tmp_path)
    for words in (words for name, words in WHOLE if name == page and words[0] in WHALEDO and words[1] in QUICK[page]):
        code = main(words[1:])
        assert code == 0, (words, capsys.readouterr().err)
        ran.append(words[1])
        if words[1] == "new":
            shutil.copytree(survey, tmp_path/words[2]/"known-photos")
            monkeypatch.chdir(tmp_path/words[2])
    assert {*ran} == QUICK[page]


def test_the_citation_is_of_this_version():
    "cffconvert --validate refuses a reference of type `dataset`: there it is called `data` (CFF 1.2.0)."
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT/"CITATION.cff").read_text())
    settings = SETTINGS["DEFAULT"]
    assert str(cited["version"]) == settings["version"] and cited["repository-code"] == settings["git_url"]
    assert [r["type"] for r in cited["references"]] == ["data"]
