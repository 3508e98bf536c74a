"""Photos embedded by many processes: one that is killed costs its batch, a run that is killed goes on, and a catalogue takes what came of it."""
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'whaledo[cluster]'")


@pytest.fixture(scope="module")
def photos():
    from whaledo.whale.data.demo import demo_survey
    return demo_survey(60)/"images"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    "A network that has learned a little, and keypoints."
    from whaledo.whale.evaluate.calibration import write_config
    from whaledo.whale.train.training import demo_model
    folder = tmp_path_factory.mktemp("model")/"model"
    shutil.copytree(demo_model(300, epochs=3, input_size=[64, 32]), folder)
    write_config(folder, shortlist=20, matcher="rootsift", keypoints=32, local_weight=1.0, neighbours=None)
    return folder


@pytest.fixture(scope="module")
def alone(photos, model, tmp_path_factory):
    "Shards of one process."
    from whaledo.whale.catalogue.shards import embed_apart
    out = tmp_path_factory.mktemp("alone")/"shards"
    assert embed_apart(photos, out, model, batch=4).photos == 60
    return out


def rows_of(folder):
    return pd.concat([pd.read_parquet(f) for f in sorted(folder.glob("*.parquet"))]).set_index("hash").sort_index()


def wait_for_shards(folder, least, seconds=120):
    until = time.monotonic() + seconds
    while len([*folder.glob("*.parquet")]) < least:
        assert time.monotonic() < until, f"no {least} shards in {seconds} s"
        time.sleep(.02)


def test_a_worker_is_killed(photos, model, alone, tmp_path):
    from whaledo.whale.catalogue.shards import embed_apart
    out = tmp_path/"shards"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, ThreadPoolExecutor() as pool:
        run = pool.submit(embed_apart, photos, out, model, "dask", cluster.scheduler_address, batch=4)
        wait_for_shards(out, 2)
        victim = cluster.workers[0].process.pid
        os.kill(victim, signal.SIGKILL)
        found = run.result(timeout=300)
    assert (found.photos, found.lost) == (60, [])
    ours, theirs = rows_of(out), rows_of(alone)
    assert ours.index.tolist() == theirs.index.tolist() and not [*out.glob("*.tmp")]
    assert np.abs(np.stack(ours.vector) - np.stack(theirs.vector)).max() < 1e-5


def test_a_run_is_killed_and_goes_on(photos, model, alone, tmp_path, ok):
    out = tmp_path/"shards"
    command = [Path(sys.executable).parent/"whaledo", "embed", str(photos), str(out), "--model", str(model), "--batch", "4"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        wait_for_shards(out, 2)
        run.kill()
    before = len([*out.glob("*.parquet")])
    assert 2 <= before < 15
    found = ok("embed", photos, out, "--model", model, "--batch", 4)
    assert (found["known"], found["photos"]) == (4*before, 60 - 4*before)
    assert rows_of(out).index.tolist() == rows_of(alone).index.tolist()


def test_a_catalogue_takes_them(photos, model, alone, tmp_path, ok, whaledo):
    from whaledo.whale.catalogue.search import embed_new, keypoints_name, open_model
    from whaledo.whale.catalogue.store import Catalogue, read_blobs
    from whaledo.whale.catalogue.store import photos as photos_in
    from whaledo.whale.model.inference import matcher_named
    file = tmp_path/"c.db"
    ok("import-photos", photos, "--catalogue", file)
    found = ok("import-vectors", alone, "--catalogue", file)
    assert found == dict(taken=60, known=0, otherwise=0, strange=0)
    opened = open_model(model)
    config = opened.members[0].config
    name = keypoints_name(config, matcher_named("rootsift", config, model))
    with Catalogue(file) as c:
        assert embed_new(c, *opened, workers=0) == 0
        assert len(read_blobs(c, name, photos_in(c).photo_id.tolist())) == 60


@pytest.mark.parametrize("words, said", [
    (["nothing", "out"], "is no folder, no table"), (["photos", "out", "--engine", "ray"], "here, dask"),
    (["photos", "out", "--batch", "0"], "--batch 0"), (["photos", "nowhere://out"], "nowhere")])
def test_what_cannot_be_done_is_said(photos, model, whaledo, words, said):
    words = [str(photos) if w == "photos" else w for w in words]
    code, _, err = whaledo("embed", *words, "--model", model)
    assert code in (1, 2) and said in err and "Traceback" not in err
