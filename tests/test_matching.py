"Matching through the library: resumable, exact or by the index, and what it says when something is wrong."
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from whaledo.files import InputError
from whaledo.whale.catalogue import search
from whaledo.whale.catalogue.exchange import import_survey
from whaledo.whale.catalogue.proposals import candidates, match, proposals, queue
from whaledo.whale.catalogue import vector_index
from whaledo.whale.catalogue.store import models
from whaledo.whale.catalogue.vector_index import made_up_vectors
from whaledo.whale.catalogue.store import NEW, Catalogue, decide, history, photos, undo, vectors, without_vectors


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    "A small twin of the demo's model, with a calibration."
    from whaledo.whale.evaluate.calibration import write_config
    from whaledo.whale.train.training import demo_model
    folder = tmp_path_factory.mktemp("model")/"twin"
    shutil.copytree(demo_model(300, epochs=3, input_size=[64, 32]), folder)
    from whaledo.whale.catalogue.proposals import RANKING_ONLY
    paper = RANKING_ONLY | dict(known=[0, 1, 0, 0, 0, 0, 0, -3], other=[0, 1, 0, 0, 0, 0, 0, -3], familiar=[-1, 1], animals=0)
    write_config(folder, calibration=dict(slope=17., size=-.84, intercept=-7.5), posterior=paper)
    return folder


@pytest.fixture(scope="module")
def labels():
    "Whale and day by the path of a photo."
    from whaledo.whale.data.demo import demo_survey
    from whaledo.whale.data.survey import load_survey
    return load_survey(demo_survey(300)).set_index("file")


@pytest.fixture(scope="module")
def matched(tmp_path_factory, model, labels):
    "A catalogue of the small demo survey, 2019 not identified, matched."
    from whaledo.whale.data.demo import demo_survey
    with Catalogue(tmp_path_factory.mktemp("catalogue")/"whole.db") as c:
        import_survey(c, demo_survey(300))
        for p in photos(c).itertuples():
            if labels.date[p.file].year == 2019: decide(c, "assign", "test", photo_id=p.photo_id, whale=None)
        match(c, model, workers=0)
        return c.file


@pytest.fixture
def cat(matched, tmp_path):
    shutil.copy(matched, tmp_path/"c.db")
    with Catalogue(tmp_path/"c.db", wait=.2) as c:
        yield c


def kept(c):
    "Everything that must survive a mishap."
    return [c.db.execute(f"SELECT * FROM {t} ORDER BY 1, 2, 3").fetchall() for t in ("log", "matches", "state", "embeddings")]


def test_the_contract_with_the_review_table(cat):
    model, = models(cat)
    p, q = proposals(cat), queue(cat)
    assert list(p) == ["photo_id", "proposal", "whale", "group", "probability"]
    assert set(p.proposal) <= {"whale", "each other", "new"} and p.probability.between(0, 1).all()
    assert ((p.whale != "") == (p.proposal == "whale")).all()
    assert set(p.photo_id) == set(photos(cat).query("whale_id == ''").photo_id)
    assert {"viewpoint", "taken_at", "place", "worth"} <= set(q) and set(q.photo_id) == set(p.photo_id)
    assert (q.worth.diff().dropna() <= 1e-12).all()
    for i in q.photo_id[:20]: # as they come out of the table
        found = candidates(cat, i, limit=6, photos_each=3)
        assert 0 < len(found) <= 6 and all(1 <= len(f["photo_ids"]) <= 3 for f in found)
        assert [f["probability"] for f in found] == sorted((f["probability"] for f in found), reverse=True)
        assert i not in [j for f in found for j in f["photo_ids"]]
        whales = photos(cat).set_index("photo_id").whale_id
        for f in found:
            assert {whales[j] for j in f["photo_ids"]} == {f["whale"] or ""}
            assert f["probabilities"] == sorted(f["probabilities"], reverse=True)
    json.dumps(found) # plain numbers
    assert candidates(cat, int(i), model) == candidates(cat, i)


def test_candidates_follow_decisions(cat):
    i, first = next((int(k), f) for k in queue(cat).photo_id for f in candidates(cat, k) if f["whale"])
    decide(cat, "reject", "test", photo_id=i, whale=first["whale"])
    assert first["whale"] not in [f["whale"] for f in candidates(cat, i)]
    undo(cat, "test")
    assert first["whale"] in [f["whale"] for f in candidates(cat, i)]
    group = next(f for k in queue(cat).photo_id for f in candidates(cat, k) if f["whale"] is None)
    decide(cat, "assign", "test", photo_id=group["photo_ids"][0], whale=NEW)
    name = photos(cat, group["photo_ids"][:1]).whale_id[0]
    assert group["photo_ids"][0] not in set(queue(cat).photo_id)
    assert any(f["whale"] == name for k in queue(cat).photo_id for f in candidates(cat, k))


def test_a_rank_does_not_depend_on_what_else_is_asked(cat, model):
    some = proposals(cat).photo_id[:5].tolist()
    before = {i: cat.db.execute("SELECT * FROM matches WHERE photo_id = ?", (i,)).fetchall() for i in some}
    match(cat, model, photo_ids=some[2:3], workers=0)
    after = {i: cat.db.execute("SELECT * FROM matches WHERE photo_id = ?", (i,)).fetchall() for i in some}
    for i in some:
        assert [r[2] for r in before[i]] == [r[2] for r in after[i]]
        np.testing.assert_allclose([r[3:] for r in before[i]], [r[3:] for r in after[i]], atol=1e-6)


def test_it_goes_on_where_it_stopped(cat, model, monkeypatch):
    cat.db.execute("DELETE FROM embeddings"); cat.db.execute("DELETE FROM matches")
    seen, embed = [], search.embed_models

    def stops(files, *args, **kwargs):
        if len(seen) == 100: raise KeyboardInterrupt
        seen.extend(files)
        return embed(files, *args, **kwargs)
    monkeypatch.setattr(search, "embed_models", stops)
    with pytest.raises(KeyboardInterrupt): match(cat, model, batch=50, workers=0)
    name, _ = search.open_model(model)
    assert len(without_vectors(cat, name)) == 200
    monkeypatch.setattr(search, "embed_models", lambda files, *a, **k: seen.extend(files) or embed(files, *a, **k))
    match(cat, model, batch=50, workers=0)
    assert len(seen) == len(set(seen)) == 300
    match(cat, model, batch=50, workers=0)
    assert len(seen) == 300


def test_the_index_and_the_exact_search_agree(tmp_path):
    z, _ = made_up_vectors(22_000, whales=400, dims=64)
    base, ask = z[:21_500], z[21_500:]
    index = vector_index.grow_index(tmp_path/"index", np.arange(21_500), 64, lambda ids: [(ids, base[ids])])
    true, found = vector_index.exact_nearest(ask, base, 50)[1], vector_index.index_nearest(index, ask, 50)[1]
    assert vector_index.recall(true, found, 10) >= .98 and vector_index.recall(true, found, 50) >= .98
    allowed = np.zeros(len(base), bool); allowed[::3] = True
    only = vector_index.index_nearest(index, ask, 50, allowed)[1]
    assert allowed[only].all()


def test_filters(cat, model):
    facts = photos(cat).set_index("photo_id")
    i = int(proposals(cat).photo_id[0])
    match(cat, model, photo_ids=[i], viewpoints="same", days=0, workers=0)
    near = facts.loc[[c for c, in cat.db.execute("SELECT candidate FROM matches WHERE photo_id = ?", (i,))]]
    assert (near.viewpoint == facts.viewpoint[i]).all() and (near.date == facts.date[i]).all()
    decide(cat, "describe", "test", photo_id=i, place="bay")
    decide(cat, "describe", "test", photo_id=int(facts.index[-1]), place="sea")
    match(cat, model, place="bay", workers=0)
    assert not cat.db.execute("SELECT 1 FROM matches WHERE candidate = ? AND photo_id <> candidate", (int(facts.index[-1]),)).fetchall()


@pytest.mark.parametrize("mishap, words", [("no folder", "config.json is missing"),
                                           ("damaged", "not a whole safetensors file"), ("locked", "try again in a moment"),
                                           ("nobody new", "no undecided photos"), ("newer", "newer whaledo"),
                                           ("full", "the disk is full")])
def test_a_mishap_is_one_sentence_and_loses_nothing(cat, model, tmp_path, mishap, words):
    from whaledo.whale.evaluate.calibration import write_config
    mine, before, other, some = tmp_path/"model", kept(cat), None, None
    shutil.copytree(model, mine)
    if mishap == "no folder": shutil.rmtree(mine)
    if mishap == "damaged": (mine/"weights.safetensors").write_bytes(b"1234")
    if mishap == "nobody new": some = [99_999]
    if mishap == "locked":
        other = Catalogue(cat.file)
        other.db.execute("BEGIN IMMEDIATE")
    if mishap == "full":
        write_config(mine, flip=False) # another model, whose vectors need room
        cat.db.execute(f"PRAGMA max_page_count={cat.db.execute('PRAGMA page_count').fetchone()[0]}")
    if mishap == "newer":
        cat.db.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match=words) as said:
        if mishap == "newer": Catalogue(cat.file)
        match(cat, mine, some, workers=0)
    assert "\n" not in str(said.value).strip()
    if other: other.close()
    assert kept(cat) == before and not cat.db.in_transaction


def test_nothing_to_do_is_no_error_for_the_table(tmp_path):
    with Catalogue(tmp_path/"empty.db") as c:
        assert models(c) == []
        with pytest.raises(InputError, match="nothing has been compared yet"): queue(c)


def test_two_versions_of_a_model_side_by_side(cat, model, tmp_path):
    from whaledo.whale.evaluate.calibration import write_config
    shutil.copytree(model, tmp_path/"other")
    write_config(tmp_path/"other", flip=False)
    old, = models(cat)
    match(cat, tmp_path/"other", workers=0)
    new, again = models(cat)
    assert again == old != new and len(proposals(cat, old)) == len(proposals(cat, new)) == len(proposals(cat))
    assert len(vectors(cat, old)) == len(vectors(cat, new)) == 300
    assert [k for k in history(cat).kind if k == "note"] == ["note"]*4
