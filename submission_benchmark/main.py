"""Benchmark: rank by histograms of oriented gradients (HOG) of the whole photo; no weights, no training."""
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from loguru import logger
from PIL import Image, ImageOps
from skimage.feature import hog
from tqdm import tqdm

ROOT_DIRECTORY = Path("/code_execution")
SIZE = 64, 192  # width and height in pixels: every photo is squeezed into this portrait shape
TOP = 20  # rows that a query may return
# photos from the side: the head comes to lie on top
TURN = {"left": Image.ROTATE_270, "right": Image.ROTATE_90}


def describe(photo, data):
    """The HOG vector of one photo, of length 1; None when the photo is missing or cannot be read."""
    path, viewpoint = photo
    try:
        with Image.open(data / path) as image:
            image = ImageOps.exif_transpose(image).convert("L")  # as the camera was held
    except OSError:
        return None
    if viewpoint in TURN:
        image = image.transpose(TURN[viewpoint])
    pixels = np.asarray(image.resize(SIZE, Image.BILINEAR))
    vector = hog(pixels, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))
    return (vector / max(np.linalg.norm(vector), 1e-12)).astype("float32")


def describe_all(image_ids, data):
    """A table of HOG vectors: one row per image id, zeros for a photo that cannot be read."""
    metadata = pd.read_csv(data / "metadata.csv", dtype=str).drop_duplicates("image_id").set_index("image_id")
    photos = metadata.reindex(image_ids)
    paths = photos["path"].fillna(pd.Series([f"images/{i}.jpg" for i in image_ids], index=image_ids))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(partial(describe, data=data), zip(paths, photos["viewpoint"]), chunksize=16)
        vectors = list(tqdm(found, total=len(image_ids), desc="HOG", unit="photo"))
    unread = [image_id for image_id, vector in zip(image_ids, vectors) if vector is None]
    if unread:
        logger.warning(f"{len(unread)} photos could not be read and score 0, {unread[0]} among them")
    blank = np.zeros_like(next((v for v in vectors if v is not None), np.zeros(1, "float32")))
    return pd.DataFrame(np.stack([blank if v is None else v for v in vectors]), index=image_ids)


def rank(queries, database, vectors):
    """The most similar images for all queries of a scenario; equal scores keep the order of the database."""
    similarity = vectors.loc[queries["query_image_id"]].to_numpy() @ vectors.loc[database].to_numpy().T
    itself = queries["query_image_id"].to_numpy()[:, None] == database.to_numpy()[None, :]
    similarity = np.where(itself, -1, np.clip(similarity, 0, 1))  # the query never returns itself
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :TOP]
    ranking = pd.DataFrame({
        "query_id": queries["query_id"].repeat(best.shape[1]).to_numpy(),
        "database_image_id": database.to_numpy()[best].ravel(),
        "score": np.take_along_axis(similarity, best, axis=1).ravel(),
    })
    return ranking[ranking["score"] >= 0]


def main(root=ROOT_DIRECTORY):
    data = root / "data"
    scenarios = []
    for scenario in pd.read_csv(data / "query_scenarios.csv", dtype=str).itertuples():
        queries = pd.read_csv(data / scenario.queries_path, dtype=str).drop_duplicates("query_id")
        database = pd.read_csv(data / scenario.database_path, dtype=str)["database_image_id"]
        database = database.drop_duplicates()
        scenarios.append((queries, database))
        logger.info(f"{scenario.scenario_id}: {len(queries)} queries, {len(database)} images in the database")
    image_ids = sorted(set().union(*(set(q["query_image_id"]) | set(d) for q, d in scenarios)))
    vectors = describe_all(image_ids, data)
    submission = pd.concat([rank(queries, database, vectors) for queries, database in scenarios])
    submission.to_csv(root / "submission" / "submission.csv", index=False)
    logger.info(f"wrote {len(submission)} rows for {submission['query_id'].nunique()} queries")


if __name__ == "__main__":
    main()
