"Photos of other people and other species, from the command line to the programs of others."
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import ROOT

OTHERS = """
import json, sys
import pandas as pd
from pycocotools.coco import COCO
from wildlife_datasets import datasets, splits

coco = COCO(sys.argv[1])
notes = coco.loadAnns(coco.getAnnIds(areaRng=[1, 1e9]))
frame = pd.read_json(sys.argv[2], dtype={"identity": str, "image_id": str}, convert_dates=False)
checked = datasets.WildlifeDataset(sys.argv[3], frame)
checked.finalize_catalogue(frame.copy())
split = splits.TimeProportionSplit(.5)
parts = [(len(train), len(test)) for train, test in split.split(frame)]
print(json.dumps(dict(masks=[int(coco.annToMask(n).sum()) for n in notes], crowd=[n["iscrowd"] for n in notes],
                      photos=len(frame), parts=parts)))
"""


def picture(path, seed, size=(48, 96)):
    "Coarse noise, different for each seed."
    noise = np.random.default_rng(seed).integers(0, 256, (12, 6, 3), dtype="uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).resize(size, Image.BICUBIC).save(path)


@pytest.fixture
def herd(tmp_path):
    "A COCO file of two photos with two animals each, and one with one."
    images, notes = [], []
    for i in range(3):
        frame = Image.new("RGB", (300, 200), (90, 100, 110))
        for j in range(2 if i < 2 else 1):
            picture(tmp_path/f"{i}{j}.png", 10*i + j)
            frame.paste(Image.open(tmp_path/f"{i}{j}.png"), (20 + 150*j, 40))
            notes.append(dict(id=len(notes), image_id=i, bbox=[20 + 150*j, 40, 48, 96], name=f"žirafa {j}",
                              viewpoint="front" if i else "Upper Left"))
        frame.save(tmp_path/f"IMG_{i}.png")
        images.append(dict(id=i, file_name=f"IMG_{i}.png", width=300, height=200,
                           date_captured=f"2019-08-0{i + 1} 10:00:00-08:00"))
    file = tmp_path/"herd.json"
    file.write_text(json.dumps(dict(images=images, annotations=notes)))
    return file


def test_what_others_read(herd, ok, tmp_path):
    uv = shutil.which("uv") or str(ROOT/".venv"/"bin"/"uv")
    db = ["--catalogue", tmp_path/"c.db"]
    ok("import-photos", herd, *db, "--species", "Giraffa camelopardalis reticulata")
    ok("export-photos", tmp_path/"out.json", *db, "--form", "coco")
    from whaledo.whale.catalogue.exchange import export_wildlife
    from whaledo.whale.catalogue.store import Catalogue
    with Catalogue(tmp_path/"c.db") as c:
        export_wildlife(c).to_json(tmp_path/"frame.json", orient="records")
    packages = ["--with", "pycocotools", "--with", "wildlife-datasets"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    run = [uv, "run", "--no-project", "--isolated", "--python", version, *packages, "python", "-c", OTHERS]
    files = [tmp_path/"out.json", tmp_path/"frame.json", tmp_path]
    done = subprocess.run([*run, *map(str, files)], capture_output=True, text=True, timeout=600)
    if done.returncode and "No module named" not in done.stderr and "Traceback" not in done.stderr:
        pytest.skip(f"pycocotools and wildlife-datasets cannot be had: {done.stderr[-200:]}")
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["masks"] == [48*96]*5 and found["crowd"] == [0]*5
    assert found["photos"] == 5 and found["parts"]


FORMS = {"survey": "survey", "coco": "back.json", "wildlife": "frame.csv"}


@pytest.mark.parametrize("form", FORMS)
def test_two_animals_a_photo_make_the_round_trip(form, herd, ok, tmp_path):
    from whaledo.whale.catalogue.store import Catalogue, photos
    db = ["--catalogue", tmp_path/"c.db"]
    ok("import-photos", herd, *db)
    ok("export-photos", tmp_path/FORMS[form], *db, "--form", form)
    ok("import-photos", tmp_path/FORMS[form], "--catalogue", tmp_path/"d.db")
    with Catalogue(tmp_path/"c.db") as a, Catalogue(tmp_path/"d.db") as b:
        before, after = (photos(c).drop(columns="file") for c in (a, b))
    assert before.viewpoint.tolist() == ["upper left"]*2 + ["front"]*3
    assert before.taken_at[0] == "2019-08-01 10:00:00-08:00"
    pd.testing.assert_frame_equal(before, after)


def test_a_second_import_changes_no_decision(ok, whaledo, tmp_path):
    from whaledo.whale.catalogue.store import Catalogue, decide, photos
    for i, name in enumerate(["ana", "bo", "NA"]):
        picture(tmp_path/"known"/name/f"{i}.png", i)
    again = ["import-photos", tmp_path/"known", "--catalogue", tmp_path/"c.db", "--folders", "whale_id"]
    assert ok(*again)["whales"] == 2
    with Catalogue(tmp_path/"c.db") as c:
        of = dict(zip(photos(c).whale_id, photos(c).photo_id))
        decide(c, "reject", "eva", photo_id=of["ana"], whale="ana")
        decide(c, "merge", "eva", whales=["bo"], whale="Bob")
        before = photos(c)
    code, out, err = whaledo(*again, "--margin", ".1")
    assert code == 0 and "is not ana by decision" in out and "which is Bob by decision" in out
    assert "names nobody" in out and "--margin has no effect on a folder" in err
    with Catalogue(tmp_path/"c.db") as c:
        pd.testing.assert_frame_equal(photos(c), before)


def test_a_moved_archive_is_found_again(ok, whaledo, tmp_path):
    for i in range(3):
        picture(tmp_path/"card"/f"IMG_{i}.png", i)
    db = ["--catalogue", tmp_path/"c.db"]
    ok("import-photos", tmp_path/"card", *db, "--viewpoint", "fluke")
    (tmp_path/"archive").mkdir()
    (tmp_path/"card").rename(tmp_path/"archive"/"2019")
    code, out, err = whaledo("export-photos", tmp_path/"out", *db)
    assert code == 2 and "whaledo relink FOLDER" in err and not (tmp_path/"out").exists()
    assert ok("relink", tmp_path/"archive", *db) == dict(found=3, lost=0)
    picture(tmp_path/"archive"/"2019"/"IMG_1.png", 9) # another photo in its place
    code, out, err = whaledo("export-photos", tmp_path/"out", *db)
    assert code == 2 and "holds something else than when it was imported" in err
    assert not (tmp_path/"out").exists()


def test_faces_and_flukes_from_survey_to_review(survey, ok, tmp_path):
    from whaledo.whale.catalogue.review import start
    from whaledo.whale.data.survey import load_survey
    from whaledo.whale.evaluate.calibration import write_config
    from whaledo.whale.train.recipes import recipes
    from whaledo.whale.train.training import train
    df = pd.read_csv(survey/"metadata.csv", dtype=str, keep_default_na=False).drop(columns="encounter_id")
    df["viewpoint"] = df.viewpoint.map(dict(top="Fluke", left="front", right="front"))
    new = df.whale_id == df.whale_id[df.viewpoint == "Fluke"].iloc[-1]
    for part, rows in (("known", df[~new]), ("new", df[new])):
        (tmp_path/part/"images").mkdir(parents=True)
        for path in rows.path:
            shutil.copy(survey/path, tmp_path/part/path)
    df[~new].to_csv(tmp_path/"known"/"metadata.csv", index=False)
    assert ok("check-survey", tmp_path/"known")["problems"] == 0
    ok("scenarios", tmp_path/"known", "--data-dir", tmp_path/"data")
    said = dict(epochs=1, valid=.4, flank_as_identity=None)
    train(load_survey(tmp_path/"known"), tmp_path/"run", recipes["demo"], said=said)
    write_config(tmp_path/"run", calibration=dict(slope=8., size=-.2, intercept=-10.)) # too few animals to fit one
    db = ["--catalogue", tmp_path/"c.db"]
    ok("import-photos", tmp_path/"known", *db)
    found = ok("match", tmp_path/"new"/"images", *db, "--model", tmp_path/"run", "--viewpoint", "Fluke")
    assert found["photos"] == new.sum()
    assert set(start(tmp_path/"c.db").choices["viewpoint"]) == {"fluke"}
