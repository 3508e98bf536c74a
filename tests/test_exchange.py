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


def test_faces_and_flukes_from_survey_to_review(survey, ok, whaledo, tmp_path, monkeypatch):
    from whaledo.whale.catalogue.review import dispatch, start
    from whaledo.whale.catalogue.store import latest_model, photos
    from whaledo.whale.evaluate.calibration import write_config
    df = pd.read_csv(survey/"metadata.csv", dtype=str, keep_default_na=False).drop(columns="encounter_id")
    df["viewpoint"] = df.viewpoint.map(dict(top="Fluke", left="front", right="front"))
    new = df.whale_id == df.whale_id[df.viewpoint == "Fluke"].iloc[-1]
    for part, rows in (("known", df[~new]), ("new", df[new])):
        (tmp_path/part/"images").mkdir(parents=True)
        for path in rows.path:
            shutil.copy(survey/path, tmp_path/part/path)
        rows.to_csv(tmp_path/part/"metadata.csv", index=False)
    (tmp_path/"known"/"viewpoints.csv").write_text("viewpoint,turned,group\nfluke,yes,tail\n")
    assert ok("check-survey", tmp_path/"known")["problems"] == 0
    ok("new", tmp_path/"project")
    monkeypatch.chdir(tmp_path/"project")
    ok("scenarios", tmp_path/"known", "--data-dir", tmp_path/"data")
    said = ["--recipe", "demo", "--epochs", 1, "--change", "valid=.4 flank_as_identity=null"]
    ok("train", "--data-dir", tmp_path/"data", "--run", tmp_path/"run", *said)
    config = json.loads((tmp_path/"run"/"config.json").read_text())
    assert config["viewpoints"]["fluke"] == dict(mirrored=False, turned=True, group="tail")
    assert config["viewpoints"]["front"] == dict(mirrored=False, turned=False, group="front")
    assert config["flank_as_identity"] # a face and a fluke have nothing in common
    write_config(tmp_path/"run", calibration=dict(slope=8., size=-.2, intercept=-10.)) # too few animals to fit one
    db = ["--catalogue", tmp_path/"c.db"]
    ok("import-photos", tmp_path/"known", *db)
    df[new].drop(columns="whale_id").to_csv(tmp_path/"new"/"metadata.csv", index=False)
    found = ok("match", tmp_path/"new", *db, "--model", tmp_path/"run")
    assert found["photos"] == new.sum()
    r = start(tmp_path/"c.db")
    assert {*r.choices["viewpoint"]} == {*df.viewpoint[new].str.lower()}
    view = photos(r.catalogue).set_index("photo_id").viewpoint
    from whaledo.whale.catalogue.store import matches
    pairs = matches(r.catalogue, latest_model(r.catalogue))
    assert (pairs.photo_id.map(view) == pairs.candidate.map(view)).all() and (pairs.photo_id != pairs.candidate).any()
    photo = r.order[0]
    dispatch(r, "new", photo, whale="Фия")
    assert photos(r.catalogue).set_index("photo_id").whale_id[photo] == "Фия"
    r.catalogue.close()


def zoo(folder):
    "A COCO file with all that a form may stumble over: two animals a photo, masks, zones, minutes, other alphabets."
    runs = dict(size=[200, 300], counts=[20*200 + 40] + [96, 104]*47 + [96, 200*300 - 20*200 - 40 - 47*200 - 96])
    square = [[175., 45., 210., 45., 210., 130., 175., 130.]]
    seen = [("žirafa 1", "Upper Left", runs, 0), ("Δελφίνι", "fluke", square, 0), ("____", "pose 7", None, .5)]
    times = ["2019-08-01 10:31:00-08:00", "2019-08-02 10:31", "2019-08-03"]
    images, notes = [], []
    for i, time in enumerate(times):
        frame = Image.new("RGB", (300, 200), (90, 100, 110 + i))
        for j in range(2):
            picture(folder/"parts"/f"{i}{j}.png", 10*i + j)
            frame.paste(Image.open(folder/"parts"/f"{i}{j}.png"), (20 + 150*j, 40))
            name, view, outline, theta = seen[(i + j) % 3]
            note = dict(id=len(notes), image_id=i, bbox=[20 + 150*j, 40, 48, 96], name=name, viewpoint=view)
            note |= dict(segmentation=outline if (outline is runs) == (j == 0) else [])
            notes.append(note | (dict(theta=theta) if theta else {}))
        frame.save(folder/f"Фото {i}.png")
        images.append(dict(id=i, file_name=f"Фото {i}.png", width=300, height=200, date_captured=time, place="Zátoka č. 1"))
    (folder/"zoo.json").write_text(json.dumps(dict(images=images, annotations=notes)))
    return folder/"zoo.json"


def known_of(file):
    "What a catalogue knows of its photos, wherever their files are, and their masks."
    from whaledo.whale.catalogue.exchange import outlines
    from whaledo.whale.catalogue.store import Catalogue, photos
    with Catalogue(file) as c:
        df = photos(c)
        masks = {h: np.asarray(mask_of(o)).sum() for i, h in zip(df.photo_id, df.hash) if (o := outlines(c, [i]).get(i))}
    return df.drop(columns=["file", "photo_id"]).sort_values("hash", ignore_index=True), masks


def mask_of(outline):
    from whaledo.files import mask_image
    return np.asarray(mask_image(outline, 300, 200)) > 0


@pytest.fixture
def zoo_catalogue(ok, tmp_path):
    ok("import-photos", zoo(tmp_path), "--catalogue", tmp_path/"zoo.db", "--species", "Giraffa camelopardalis reticulata")
    return tmp_path/"zoo.db"


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_lost_by_a_form_that_holds_it(form, zoo_catalogue, ok, tmp_path):
    written = ok("export-photos", tmp_path/FORMS[form], "--catalogue", zoo_catalogue, "--form", form)
    assert written["left_out"] == []
    ok("import-photos", tmp_path/FORMS[form], "--catalogue", tmp_path/"d.db")
    (before, masks), (after, again) = known_of(zoo_catalogue), known_of(tmp_path/"d.db")
    pd.testing.assert_frame_equal(before, after)
    assert len(before) == 6 and masks == again and [*masks.values()].count(48*96) == 1
    assert {*before.whale_id} == {"žirafa 1", "Δελφίνι", ""} and {*before.viewpoint} == {"upper left", "fluke", "pose 7"}
    assert {*before.taken_at} == {"2019-08-01 10:31:00-08:00", "2019-08-02 10:31", "2019-08-03"}
    assert before.hash.str.contains(",28.65$").sum() == 2 # the angles


def test_decisions_make_the_round_trip(zoo_catalogue, ok, tmp_path):
    from whaledo.whale.catalogue.store import Catalogue, decide, photos
    with Catalogue(zoo_catalogue) as c:
        nobody = photos(c).query("whale_id == ''").photo_id
        decide(c, "assign", "eva", photo_id=int(nobody.iloc[0]), whale="Жирафа ♀")
        decide(c, "describe", "eva", photo_id=int(nobody.iloc[1]), taken_at="2019-08-03 09:05", place="Bucht = 2")
    ok("export-photos", tmp_path/"log.csv", "--catalogue", zoo_catalogue, "--form", "decisions")
    ok("import-photos", tmp_path/"zoo.json", "--catalogue", tmp_path/"d.db")
    assert ok("import-decisions", tmp_path/"log.csv", "--catalogue", tmp_path/"d.db") == dict(left_out=0)
    for a, b in zip(known_of(zoo_catalogue), known_of(tmp_path/"d.db")):
        pd.testing.assert_frame_equal(a, b) if isinstance(a, pd.DataFrame) else pytest.fail if a != b else None
    assert "2019-08-03 09:05" in {*known_of(tmp_path/"d.db")[0].taken_at}


def test_what_other_programs_get(zoo_catalogue, ok, whaledo, tmp_path):
    before, _ = known_of(zoo_catalogue)
    db = ["--catalogue", zoo_catalogue]
    sheet = ok("export-photos", tmp_path/"wildbook", *db, "--form", "wildbook")
    book = pd.read_excel(tmp_path/"wildbook"/"bulk-001.xlsx", dtype=str, keep_default_na=False)
    assert {*book["MarkedIndividual.individualID"]} == {*before.whale_id}
    assert {*book["Encounter.specificEpithet"]} == {"camelopardalis reticulata"}
    assert {*book["Encounter.verbatimLocality"]} == {"Zátoka č. 1"} and {*book["Encounter.minutes"]} == {"31", ""}
    assert {*book["Encounter.mediaAsset0.keywords"]} == {*before.viewpoint}
    assert any("masks, of 2 photos" in s for s in sheet["left_out"]) and any("offsets" in s for s in sheet["left_out"])
    code, out, err = whaledo("export-camtrap", tmp_path/"dp", 60, -150, *db, "--offset", "-08:00")
    assert code == 0 and "asks for seconds, which 2 photos do not have" in out and "masks" in out
    seen = pd.read_csv(tmp_path/"dp"/"observations.csv", dtype=str, keep_default_na=False)
    assert len(seen) == 4 and {*seen.individualID} == {*before.whale_id} # a day alone is no moment
    assert {*seen.eventStart} == {"2019-08-01T10:31:00-08:00", "2019-08-02T10:31:00-08:00"}
    folders = ok("export-photos", tmp_path/"folders", *db, "--form", "folders")
    assert {p.name for p in (tmp_path/"folders").iterdir()} == {"žirafa 1", "Δελφίνι", "unknown"}
    assert any("viewpoints, of 6 photos" in s for s in folders["left_out"])


def test_memory_does_not_grow_with_the_photos(tmp_path):
    code = ("import resource, sys; from whaledo.whale.catalogue.exchange import import_folder; "
            "from whaledo.whale.catalogue.store import Catalogue; import_folder(Catalogue(sys.argv[1]), sys.argv[2]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")
    peaks = []
    for n in (500, 3500):
        for i in range(n):
            noise = np.random.default_rng(i).integers(0, 256, (12, 16, 3), dtype="uint8")
            (tmp_path/str(n)).mkdir(exist_ok=True)
            Image.fromarray(noise).save(tmp_path/str(n)/f"{i}.png")
        run = [sys.executable, "-c", code, tmp_path/f"{n}.db", tmp_path/str(n)]
        done = subprocess.run([*map(str, run)], capture_output=True, text=True, cwd=ROOT)
        peaks.append(int(done.stdout.split()[-1]))
    assert (peaks[1] - peaks[0])/3000 < 8 # kilobytes a photo: what is known of it, and nothing of its pixels


def test_masks_blank_the_background_of_training_and_of_matching(survey, ok, tmp_path):
    from whaledo.whale.catalogue.search import photos_now
    from whaledo.whale.catalogue.store import Catalogue, photos
    from whaledo.whale.data.survey import load_survey
    from whaledo.whale.model.inference import read_photo
    from whaledo.whale.train.recipes import recipes
    from whaledo.whale.train.training import fill_in
    df = pd.read_csv(survey/"metadata.csv", dtype=str, keep_default_na=False)
    masks = [f"[[0, 0, {w}, 0, 0, {h}]]" for w, h in zip(df.width, df.height)] # all but the lower right half
    (tmp_path/"sv").mkdir()
    (tmp_path/"sv"/"images").symlink_to(survey/"images")
    df.assign(segmentation=masks).to_csv(tmp_path/"sv"/"metadata.csv", index=False)
    ok("scenarios", tmp_path/"sv", "--data-dir", tmp_path/"plain")
    ok("scenarios", tmp_path/"sv", "--data-dir", tmp_path/"blank", "--masks")
    plain, blank = (load_survey(tmp_path/d/"train") for d in ("plain", "blank"))
    config = fill_in(recipes["demo"], blank)
    assert config.blank_background and not fill_in(recipes["demo"], plain).blank_background
    portrait = blank[blank.height > blank.width].iloc[0]
    assert read_photo(portrait.file, "top", config)[-20:, -8:].min() > 240
    ok("import-photos", tmp_path/"sv", "--catalogue", tmp_path/"c.db")
    with Catalogue(tmp_path/"c.db") as c:
        i = photos(c).photo_id[photos(c).height > photos(c).width].iloc[0]
        for masked in (True, False):
            file = photos_now(c, [i], config.replace(blank_background=masked)).file[0]
            assert (read_photo(file, "top", config)[-20:, -8:].min() > 240) == masked


def test_a_near_name_is_asked_about_at_match(ok, whaledo, tmp_path):
    picture(tmp_path/"a"/"1.png", 1)
    picture(tmp_path/"b"/"2.png", 2)
    row = dict(height=96, width=48, viewpoint="fluke", date="2019-08-05")
    for folder, path, whale, view in (("a", "1.png", "Ana", "fluke"), ("b", "2.png", "ANA", "flukes")):
        pd.DataFrame([row | dict(image_id="x", path=path, whale_id=whale, viewpoint=view)]).to_csv(
            tmp_path/folder/"metadata.csv", index=False)
    ok("import-photos", tmp_path/"a", "--catalogue", tmp_path/"c.db")
    code, out, err = whaledo("match", tmp_path/"b", "--catalogue", tmp_path/"c.db", "--model", tmp_path, "--near", "maybe")
    assert code == 2 and "near='maybe' is unknown" in err
    code, out, err = whaledo("match", tmp_path/"b", "--catalogue", tmp_path/"c.db", "--model", tmp_path, "--near", "same")
    assert "is 'ANA' in what came in, and there is 'Ana': taken for the same" in out.replace("; ", ": ")
    assert "has viewpoint 'flukes', and there is 'fluke'" in out
