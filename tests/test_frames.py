"Animals in whole frames are identified as well as their crops: two nyala in each frame, in boxes."
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT

NYALA = ROOT.parent/"shared"/"data"/"nyala"
MODELS = [ROOT/"runs"/name for name in ("nyala-small", "nyala-frozen")]
ANIMALS, EACH = 24, 4


def some_photos(seed=0):
    "Photos of two dozen animals, four of each, from both sides."
    from whaledo.whale.data.survey import load_survey
    df = load_survey(NYALA).sample(frac=1, random_state=seed)
    df = df[df.groupby("whale_id").encounter_id.transform("nunique") > 2]
    df = df[df.whale_id.isin(df.whale_id.unique()[:ANIMALS])].groupby("whale_id").head(EACH)
    return df.sample(frac=1, random_state=seed).reset_index(drop=True)


def frame_of(pair, rng):
    "Two photos in one landscape frame of noise, and where they are."
    photos = [Image.open(f).convert("RGB") for f in pair.file]
    height = max(p.height for p in photos) + 120
    width = max(sum(p.width for p in photos) + 180, height*3//2)
    noise = rng.integers(60, 200, (height//8 + 1, width//8 + 1, 3), "u1")
    frame = Image.fromarray(noise).resize((width, height), Image.BICUBIC)
    left, boxes = 60, []
    for photo in photos:
        top = int(rng.integers(0, height - photo.height + 1))
        frame.paste(photo, (left, top))
        boxes.append([left, top, photo.width, photo.height])
        left += photo.width + 60
    return frame, boxes


def in_frames(df, folder):
    "A COCO file of frames, two animals each."
    rng = np.random.default_rng(0)
    images, notes = [], []
    for i in range(0, len(df), 2):
        frame, boxes = frame_of(df[i:i + 2], rng)
        frame.save(folder/f"{i}.png") # another round of JPEG would change more than the frame does
        images.append(dict(id=i, file_name=f"{i}.png", width=frame.width, height=frame.height))
        notes += [dict(id=len(notes) + j, image_id=i, bbox=box, name=row.whale_id, viewpoint=row.viewpoint)
                  for j, (box, row) in enumerate(zip(boxes, df[i:i + 2].itertuples()))]
    file = folder/"frames.json"
    file.write_text(json.dumps(dict(images=images, annotations=notes)))
    return file


def top1(df, files, models):
    "Share of photos whose best match among the others, of other encounters, shows the same animal."
    from whaledo.whale.data.scenarios import Scenario
    from whaledo.whale.evaluate.evaluation import query_results
    from whaledo.whale.model.inference import extract_features, rank_scenario
    df = df.assign(file=[*map(str, files)])
    found = extract_features(df.set_index("image_id", drop=False), models)
    rank_fn = partial(rank_scenario, ranking=models[0].config, local_fn=found.local_fn)
    results = []
    for view, some in df.groupby("viewpoint"):
        asked = [*some.image_id[some.whale_id.duplicated(keep=False)]]
        results.append(query_results(found.vectors, df, [Scenario(view, view, asked, [*some.image_id])], rank_fn).top1)
    return float(np.concatenate(results).mean())


@pytest.mark.skipif(not NYALA.is_dir(), reason="the nyala photos are not here")
@pytest.mark.skipif(not any(m.is_dir() for m in MODELS), reason="no model of nyala was trained here")
def test_two_nyala_in_a_frame_are_identified_as_well_as_their_crops(tmp_path):
    from whaledo.whale.catalogue.exchange import import_coco
    from whaledo.whale.catalogue.store import Catalogue, photos
    from whaledo.whale.model.inference import load_models
    df = some_photos()
    df = df[:len(df)//2*2]
    with Catalogue(tmp_path/"c.db") as c:
        import_coco(c, in_frames(df, tmp_path))
        found = photos(c)
    assert found.whale_id.tolist() == df.whale_id.tolist()
    assert found.file.str.contains("#xywh=").all()
    models = load_models(next(m for m in MODELS if m.is_dir()))
    crops, frames = (top1(df, files, models) for files in (df.file, found.file))
    print(f"top-1 of {len(df)} photos: {crops:.3f} as crops, {frames:.3f} in frames")
    assert frames >= crops - .01
    assert crops > .3 # so that the comparison means something
