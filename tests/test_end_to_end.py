"From a survey folder to a score, through the command line, and what bad input is told on the way."
import json
import re
import shutil
import zipfile

import pandas as pd
import pytest

from conftest import ROOT, python


@pytest.fixture(scope="module")
def data(survey, tmp_path_factory):
    "A data folder made from the survey; the module's tests share it."
    from whaledo.cli import main
    folder = tmp_path_factory.mktemp("exam")/"data"
    assert main(["scenarios", str(survey), "--data-dir", str(folder)]) == 0
    return folder


def test_training_shares_no_whale_with_the_exam(survey, data):
    whale = pd.read_csv(survey/"metadata.csv").set_index("image_id").whale_id
    encounter = pd.read_csv(survey/"metadata.csv").set_index("image_id").encounter_id
    exam, train = pd.read_csv(data/"metadata.csv"), pd.read_csv(data/"train"/"metadata.csv")
    assert set(whale[exam.image_id]).isdisjoint(train.whale_id)
    assert set(encounter[exam.image_id]).isdisjoint(train.encounter_id)
    assert "whale_id" not in exam


def test_train_pack_run_score(data, ok, whaledo, tmp_path, needs_sandbox, monkeypatch):
    project = tmp_path/"project"
    shutil.copytree(ROOT/"submission_src", project/"submission_src",
                    ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    monkeypatch.setattr("whaledo.cli.project", lambda: project)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    at = ["--submission-dir", tmp_path/"submission"]
    code, _, err = whaledo("pack", *at)
    assert code == 2 and "make train" in err and "Traceback" not in err
    trained = ok("train", "--data-dir", data, "--recipe", "demo", "--epochs", 2, "--run", tmp_path/"run")
    config = json.loads((project/"submission_src"/"config.json").read_text())
    assert config["epochs"] == 2 and config["commit"] is not None and config["data"]["name"] == "data"
    assert 0 <= trained["validation"] <= 1
    (project/"data").symlink_to(data)
    monkeypatch.chdir(project)
    scope = {}
    exec(re.search(r"```python\n(.*?)```", (ROOT/"README.md").read_text(), re.S)[1], scope) # the five lines work
    assert len(scope["best"]) == 5 and 0 not in scope["indices"][0]
    ok("pack", *at)
    code, _, err = whaledo("pack", *at)
    assert code == 2 and "never overwritten" in err
    ok("test-submission", "--data-dir", data, *at)
    score = ok("score", "--data-dir", data, *at)["mean_average_precision"]
    script = python("scoring/score_submission.py", tmp_path/"submission"/"submission.csv", data/"labels.csv")
    assert json.loads(script.stdout)["mean_average_precision"] == score > .01
    log = (tmp_path/"submission"/"log.txt").read_text()
    assert "test_resnet" in log and "passed" in log
    ok("clean", *at)
    assert not (tmp_path/"submission"/"submission.zip").exists() and (project/"submission_src"/"weights.safetensors").exists()


def test_labels_and_training_folder_are_out_of_sight(data, whaledo, tmp_path, needs_sandbox):
    with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
        z.writestr("main.py", "import os; print(sorted(os.listdir('data'))); raise SystemExit(7)")
    code, _, err = whaledo("test-submission", "--data-dir", data, "--submission-dir", tmp_path)
    assert code == 40 and "labels.csv" not in err and "train" not in err.split("images")[0] and "'queries'" in err


def test_the_query_in_its_own_result_is_caught(data, whaledo, tmp_path, needs_sandbox):
    with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
        z.writestr("main.py", "import pandas as pd\nq = pd.read_csv('data/queries/scenario01.csv')\n"
                   "pd.DataFrame(dict(query_id=q.query_id, database_image_id=q.query_image_id, score=.5))"
                   ".to_csv('submission/submission.csv', index=False)")
    code, _, err = whaledo("test-submission", "--data-dir", data, "--submission-dir", tmp_path)
    assert code == 51 and "returns its own photo" in err
    assert not (tmp_path/"submission.csv").exists()


def test_quickstart_is_nearly_worthless(data, ok, tmp_path, needs_sandbox):
    ok("pack", "--source", "quickstart", "--submission-dir", tmp_path)
    ok("test-submission", "--data-dir", data, "--submission-dir", tmp_path)
    assert ok("score", "--data-dir", data, "--submission-dir", tmp_path)["mean_average_precision"] < .2


BROKEN = {
    "a photo is missing": (lambda d: (d/"images"/"train0003.jpg").unlink(), "images/train0003.jpg"),
    "a photo is no photo": (lambda d: (d/"images"/"train0003.jpg").write_text("hello"), "train0003"),
    "a viewpoint is unknown": (lambda d: edit(d, "viewpoint", "underneath"), "underneath"),
    "a date is no date": (lambda d: edit(d, "date", "next week"), "next week"),
    "an id stands twice": (lambda d: edit(d, "image_id", "train0000"), "train0000"),
    "a column is missing": (lambda d: edit(d, "whale_id", None), "whale_id"),
    "the table is empty": (lambda d: (d/"metadata.csv").write_text(""), "metadata.csv"),
}


def edit(folder, column, value):
    "Change a cell of the sixth row, or drop the column."
    table = pd.read_csv(folder/"metadata.csv", dtype=str)
    table = table.drop(columns=column) if value is None else table
    if value is not None:
        table.loc[5, column] = value
    table.to_csv(folder/"metadata.csv", index=False)


@pytest.mark.parametrize("name", BROKEN)
def test_every_problem_of_a_survey_is_named(name, survey, whaledo, tmp_path):
    spoil, named = BROKEN[name]
    folder = shutil.copytree(survey, tmp_path/"survey")
    spoil(folder)
    code, out, err = whaledo("check-survey", folder)
    assert code == 1 and named in out and "Traceback" not in out + err
    if name != "a photo is no photo":
        code, out, err = whaledo("scenarios", folder, "--data-dir", tmp_path/"data")
        assert code == 2 and named in err and "Traceback" not in err
        assert not (tmp_path/"data").exists()


def test_demo_leaves_other_data_alone(data, whaledo):
    before = sorted(p.name for p in data.iterdir())
    code, _, err = whaledo("demo", "--data-dir", data)
    assert code == 2 and "was not made by this demo" in err
    assert sorted(p.name for p in data.iterdir()) == before


def test_demo_does_everything_once(ok, tmp_path, monkeypatch, needs_sandbox):
    project = tmp_path/"project"
    for name in ("submission_src", "submission_quickstart", "submission_benchmark"):
        shutil.copytree(ROOT/name, project/name, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    monkeypatch.setattr("whaledo.cli.project", lambda: project)
    args = ["demo", "--data-dir", tmp_path/"data-small", "--size", 600, "--epochs", 1]
    first = ok(*args)
    made = {p: p.stat().st_mtime_ns for p in (project/"runs").rglob("*") if p.name in (
        "weights.safetensors", "submission.zip", "submission.csv")}
    assert len(made) == 7
    assert ok(*args) == first
    assert {p: p.stat().st_mtime_ns for p in made} == made
    assert set(first["scores"]) == {"quickstart", "benchmark", "submission"}


def test_the_audit_passes_the_benchmark_and_catches_a_submission_that_looks_at_other_queries(data, ok, whaledo, tmp_path, needs_sandbox):
    at = ["--data-dir", data, "--submission-dir", tmp_path, "--engine", "bubblewrap"]
    ok("pack", "--source", "benchmark", "--submission-dir", tmp_path)
    done = ok("audit", *at)
    assert done["problems"] == [] and len(done["runs"]) >= 4 and 0 < done["estimate_s"] < done["limit_s"]
    ok("clean", "--submission-dir", tmp_path)
    assert not (tmp_path/"audit").exists()
    with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
        z.writestr("main.py", "import pandas as pd\nrows = []\nfor s in pd.read_csv('data/query_scenarios.csv').itertuples():\n"
                   "    q, d = pd.read_csv(f'data/{s.queries_path}'), pd.read_csv(f'data/{s.database_path}')\n"
                   "    for r in q.itertuples():\n"
                   "        best = d.database_image_id[d.database_image_id != r.query_image_id][:2]\n"
                   "        rows += [(r.query_id, i, 1 / (2 + len(q) + n)) for n, i in enumerate(best)]\n"
                   "pd.DataFrame(rows, columns=['query_id', 'database_image_id', 'score']).to_csv('submission/submission.csv', index=False)")
    code, _, err = whaledo("audit", *at)
    assert code == 60 and "half of the queries: the ranking of query" in err and "Traceback" not in err
    assert not any("alone" in line for line in err.split("breaks a rule.")[1].splitlines())
