"""What a submission may count on, in the container and in .venv-runtime alike: python -m pytest -p no:cacheprovider runtime/tests

The sealed tests run only where a submission runs: there the engines set USER=submission.
"""
import os
import re
import socket
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

RUNTIME = Path(__file__).resolve().parents[1]
sealed = pytest.mark.skipif(os.environ.get("USER") != "submission", reason="only where a submission runs")


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock):
    """{package: version} of a lock file, without the markers that do not hold here."""
    from packaging.requirements import Requirement  # comes with pytest
    lines = (line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line))
    wanted = [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate()]
    return {plain(r.name): str(r.specifier).removeprefix("==") for r in wanted}


def test_python():
    assert sys.version_info[:2] == (3, 11)


def test_versions_are_those_of_a_lock():
    installed = {plain(d.metadata["Name"]): d.version for d in distributions()}
    for lock in sorted(RUNTIME.glob("requirements-*.txt")):
        wrong = [f"{n} is {installed.get(n, 'missing')}, locked is {v}" for n, v in locked(lock).items()
                 if installed.get(n, "").partition("+")[0] != v.partition("+")[0]]
        if not wrong:
            return
    pytest.fail(f"differs from {lock.name} and from the other lock: {'; '.join(wrong[:5])}")


@sealed
def test_nobody_special():
    status = dict(re.findall(r"(\w+):\s+(\w+)", Path("/proc/self/status").read_text()))
    assert os.getuid() == os.getgid() >= 1000
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"


@sealed
def test_no_network():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=3)
    with pytest.raises(OSError):
        socket.getaddrinfo("example.org", 80)


@sealed
@pytest.mark.parametrize("folder", ["/", "/etc", "/usr", "/opt", "/run", "/var/tmp", "/dev", "/home", sys.prefix])
def test_read_only(folder):
    with pytest.raises(OSError):
        Path(folder, "probe").write_text("x")


@sealed
@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "~"])
def test_writable(folder):
    probe = Path(folder).expanduser() / "probe"
    probe.write_text("x")
    probe.unlink()


def test_torch():
    import torch
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        out = torch.nn.functional.conv2d(image.to(device), torch.ones(1, 1, 3, 3, device=device))
        assert out.flatten().tolist() == [45, 54, 81, 90]  # sums of 3 x 3 by hand


def test_torchvision_and_timm():
    import timm
    import torch
    from torchvision.ops import nms
    boxes = torch.tensor([[0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 30, 30.]])
    assert nms(boxes, torch.tensor([.9, .8, .7]), .5).tolist() == [0, 2]
    model = timm.create_model("resnet18", pretrained=False, num_classes=3).eval()
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_faiss():
    import faiss
    rows = np.random.default_rng(0).normal(size=(100, 8)).astype("float32")
    index = faiss.IndexFlatL2(8)
    index.add(rows)
    distances, found = index.search(rows[:5] + np.float32(1e-4), 1)
    assert found.ravel().tolist() == [0, 1, 2, 3, 4] and distances.max() < 1e-3


def test_lightgbm():
    import lightgbm
    x = np.arange(20.0)[:, None]
    model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(x, x.ravel() >= 10)
    assert model.predict(x).tolist() == (x.ravel() >= 10).tolist()


def test_numba():
    import numba

    @numba.njit
    def total(values):
        out = 0.0
        for v in values:
            out += v
        return out
    assert total(np.arange(5.0)) == 10


def test_albumentations():
    import albumentations
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    flipped = albumentations.Compose([albumentations.HorizontalFlip(p=1)])(image=image)["image"]
    assert (flipped == image[:, ::-1]).all()


def test_opencv_needs_no_screen(tmp_path):
    import cv2
    image = np.full((8, 8, 3), 200, np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), image) and (cv2.imread(str(tmp_path / "a.png")) == image).all()
    assert cv2.resize(image, (4, 4)).shape == (4, 4, 3)
    assert re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def test_tifffile_has_imsave(tmp_path):
    from tifffile import imread, imsave  # as the example of the cloud challenge has it
    mask = np.eye(16, dtype=np.uint8)
    with pytest.warns(DeprecationWarning):
        imsave(tmp_path / "mask.tif", mask)
    assert (imread(tmp_path / "mask.tif") == mask).all()


def test_what_the_benchmark_of_the_clouds_imports(tmp_path):
    import pytorch_lightning
    import rasterio
    import segmentation_models_pytorch as smp
    import torch
    from tifffile import imwrite
    band = np.arange(64, dtype=np.uint16).reshape(8, 8)
    imwrite(tmp_path / "B02.tif", band)
    with rasterio.open(tmp_path / "B02.tif") as read:
        assert (read.read(1) == band).all()
    unet = smp.Unet("resnet18", encoder_weights=None, in_channels=4, classes=2).eval()
    with torch.inference_mode():
        assert unet(torch.zeros(1, 4, 64, 64)).shape == (1, 2, 64, 64)
    assert issubclass(pytorch_lightning.LightningModule, torch.nn.Module)


def test_pyarrow(tmp_path):
    import pandas as pd
    table = pd.DataFrame({"query_id": ["a", "b"], "score": [.5, 1.]})
    table.to_parquet(tmp_path / "t.parquet", engine="pyarrow")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)


def test_pillow_reads_jpeg(tmp_path):
    from PIL import Image
    Image.new("RGB", (6, 4), "navy").save(tmp_path / "a.jpg")
    assert Image.open(tmp_path / "a.jpg").size == (6, 4)


def test_worker_processes_share_memory():
    import torch
    loader = torch.utils.data.DataLoader(torch.arange(8), batch_size=4, num_workers=2)
    assert torch.cat(list(loader)).tolist() == list(range(8))
