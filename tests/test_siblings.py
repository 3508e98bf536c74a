"The sibling challenges from data to score, with submissions as their original hosts describe them."
import json
import shutil
import zipfile
from importlib import import_module

import pytest
import torch
from safetensors.torch import save_file

from conftest import ROOT, python
from whaledo.runner.challenge import get_challenge

SIZES = {"pose-bowl": 6, "cloud-cover": 6, "mouse-behavior": 4}

# Written for the original platforms, from their own descriptions; nothing of this project in them.
ORIGINALS = {
    "pose-bowl": {
        "main.sh": "#!/usr/bin/env bash\n\nDATA_DIR=/code_execution/data\n"
                   "SUBMISSION_PATH=/code_execution/submission/submission.csv\n\npython main.py $DATA_DIR $SUBMISSION_PATH\n",
        "main.py": "import sys\nfrom pathlib import Path\nimport pandas as pd\nfrom loguru import logger\n"
                   "data, out = map(Path, sys.argv[1:])\n"
                   "df = pd.read_csv(data / 'submission_format.csv', index_col='image_id')\n"
                   "assert all((data / f'images/{i}.png').exists() for i in df.index)\n"
                   "df[['xmin', 'ymin', 'xmax', 'ymax']] = 320, 256, 960, 768\ndf.to_csv(out)\nlogger.info('done')\n"},
    "cloud-cover": {
        "main.py": "from pathlib import Path\nimport numpy as np\nfrom tifffile import imsave, imread\n\n"
                   "ROOT_DIRECTORY = Path('/codeexecution')\nPREDICTIONS_DIRECTORY = ROOT_DIRECTORY / 'predictions'\n"
                   "INPUT_IMAGES_DIR = ROOT_DIRECTORY / 'data/test_features'\nBANDS = ['B02', 'B03', 'B04', 'B08']\n\n"
                   "chip_ids = (pth.name for pth in INPUT_IMAGES_DIR.iterdir() if not pth.name.startswith('.'))\n\n"
                   "for chip_id in chip_ids:\n    band_arrs = []\n    for band in BANDS:\n"
                   "        band_arrs.append(imread(INPUT_IMAGES_DIR / f'{chip_id}/{band}.tif'))\n"
                   "    chip_arr = np.stack(band_arrs)\n    assert chip_arr.shape == (4, 512, 512) and chip_arr.dtype == 'uint16'\n"
                   "    prediction = np.zeros((512, 512), dtype='uint8')\n    prediction[:256] = 1\n"
                   "    imsave(PREDICTIONS_DIRECTORY / f'{chip_id}.tif', prediction)\n"},
    "mouse-behavior": {
        "main.py": "import numpy as np\ntest = np.load('data/test.npy', allow_pickle=True).item()\n"
                   "test = test.get('sequences', test)\nrng = np.random.default_rng(0)\n"
                   "submission = {k: list(rng.integers(0, 4, len(v['keypoints']))) for k, v in test.items()}\n"
                   "np.save('submission/submission.npy', submission)\n"},
}


@pytest.fixture(scope="module", params=list(SIZES))
def sibling(request, tmp_path_factory):
    "A sibling challenge and a small data folder of it."
    challenge, data = get_challenge(request.param), tmp_path_factory.mktemp(request.param)/"data"
    challenge.demo.make_data(data, 5, SIZES[request.param])
    return challenge, data


def test_quickstart_runs_and_is_nearly_worthless(sibling, ok, tmp_path, needs_sandbox):
    challenge, data = sibling
    at = ["--challenge", challenge.name, "--submission-dir", tmp_path]
    ok("pack", "--source", "quickstart", *at)
    ok("test-submission", "--data-dir", data, *at)
    scores = ok("score", "--data-dir", data, *at)
    assert 0 <= next(iter(scores.values())) < .45
    ok("report", "--data-dir", data, *at)
    assert (tmp_path/"report.png").stat().st_size > 10_000
    ok("clean", *at)
    assert list(tmp_path.iterdir()) == []


def test_a_submission_written_for_the_original_runs_unchanged(sibling, ok, tmp_path, needs_sandbox):
    challenge, data = sibling
    with zipfile.ZipFile(tmp_path/"submission.zip", "w") as z:
        for name, text in ORIGINALS[challenge.name].items():
            z.writestr(name, text)
    at = ["--challenge", challenge.name, "--submission-dir", tmp_path, "--data-dir", data]
    done = ok("test-submission", *at)
    assert done["output"].endswith(challenge.output)
    scores = ok("score", *at)
    script = ROOT/"scoring"/f"score_{challenge.name.replace('-', '_')}.py"
    printed = python(script, tmp_path/challenge.output, challenge.find_labels(data))
    assert json.loads(printed.stdout) == pytest.approx(scores), printed.stderr


def test_the_truth_scores_one_and_data_is_made_once(sibling):
    challenge, data = sibling
    truth = challenge.find_labels(data)
    made = (data/"MADE_BY.json").stat().st_mtime_ns
    challenge.demo.make_data(data, 5, SIZES[challenge.name])
    assert (data/"MADE_BY.json").stat().st_mtime_ns == made
    if challenge.name != "mouse-behavior":  # there, labels are not written as a submission is
        assert next(iter(challenge.score(truth, truth).values())) == pytest.approx(1)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\x00", b"image_id,xmin\n1,2\n", b"hello", b"\x1f\x8b\x08\x00junk",
                                     b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"])
def test_junk_is_told_in_sentences_never_in_a_traceback(sibling, content, tmp_path, whaledo):
    challenge, data = sibling
    shutil.copytree(data, tmp_path/"data")
    output = tmp_path/challenge.output
    output.write_bytes(content)
    problems = challenge.check(output, data, lambda line: None)
    assert problems and all(p.endswith(".") and challenge.output in p for p in problems), problems
    code, out, err = whaledo("score", "--challenge", challenge.name, "--submission-dir", tmp_path, "--data-dir", data)
    assert code == 2 and "Traceback" not in err and challenge.output in err, err


def as_published(challenge, data, folder):
    "The training data where the challenge's own downloads have them; mice as the public files have them."
    if challenge.name != "mouse-behavior":
        return shutil.copytree(data/"train", folder)
    import numpy as np
    from whaledo.challenges.mouse_behavior_inference import read_npy
    content = read_npy(data/"train.npy")
    vocab = dict(metadata=dict(vocab={n: i for i, n in enumerate(content["vocabulary"])}))
    folder.mkdir()
    np.save(folder/"train.npy", {"annotator-id_0": {k: v | vocab for k, v in content["sequences"].items()}})
    return folder


def test_a_baseline_is_trained_on_the_original_layout(sibling, ok, tmp_path, monkeypatch):
    "A run that was killed goes on; what comes out lies beside main.py."
    challenge, data = sibling
    monkeypatch.setattr("whaledo.cli.project", lambda: tmp_path)
    there = tmp_path/challenge.sources["submission"]
    there.mkdir(parents=True)
    published = as_published(challenge, data, tmp_path/"published")
    at = ["--challenge", challenge.name, "--data-dir", published, "--run", tmp_path/"run", "--epochs", "6"]
    kept = []

    def kill(c, step):
        c.every = 0
        keep_really(c, step)
        kept.append(step)
        raise KeyboardInterrupt
    import importlib
    module = importlib.import_module(f"whaledo.challenges.{challenge.name.replace('-', '_')}")
    keep_really = module.keep
    monkeypatch.setattr(module, "keep", kill)
    with pytest.raises(KeyboardInterrupt):
        challenge.demo.train(published, tmp_path/"run", 0, 6)
    assert kept == [1] and (tmp_path/"run"/"training.pt").exists() and not (tmp_path/"run"/"config.json").exists()
    begun = []
    monkeypatch.setattr(module, "keep", lambda c, step: begun.append(step))
    done = ok("train", *at)
    assert begun[0] == 2 and "validation" in done
    assert {p.name for p in there.iterdir()} == {"weights.safetensors", "config.json"}
    assert {p.name for p in (tmp_path/"run").iterdir()} >= {"weights.safetensors", "config.json"}
    assert not (tmp_path/"run"/"training.pt").exists()


# none of these rebuilds a network
UNFIT = [b"[]", b"{}", b"null", b'"x"', b"{", b"\xff", b'{"backbone": 5}', b'{"backbone": "no_such_net"}', b'{"widths": 3, "channels": "x"}']


@pytest.mark.parametrize("name", ["pose_bowl", "cloud_cover", "mouse_behavior"])
def test_a_model_that_cannot_be_read_is_a_sentence(name, tmp_path):
    "Missing, damaged, another's: the same for all, though each submission has its own copy of what reads it."
    load_model = import_module(f"whaledo.challenges.{name}_inference").load_model
    weights, config = tmp_path/"weights.safetensors", tmp_path/"config.json"
    for missing in (config, weights):
        save_file({"a": torch.zeros(1)}, weights)
        config.write_bytes(b"{}")
        missing.unlink()
        with pytest.raises(ValueError, match=rf"{missing.name} (is missing|does not exist); .*\.$"):
            load_model(tmp_path)
    save_file({"a": torch.zeros(1)}, weights)
    for text in UNFIT:
        config.write_bytes(text)
        with pytest.raises(ValueError, match=r"config.json and weights.safetensors do not (make|belong|fit)") as e:
            load_model(tmp_path)
        assert str(e.value).startswith(f"{tmp_path}: ") and str(e.value).endswith(".") and "\n" not in str(e.value)
    config.write_bytes(b"{}")
    weights.write_bytes(b"torn")
    with pytest.raises(ValueError, match="do not (make|belong|fit)"):
        load_model(tmp_path)
