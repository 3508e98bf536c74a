"Five hundred made files of four kinds: each is taken or refused in a sentence, within a gigabyte and ten seconds."
import io
import pickle
import resource
import shutil
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tifffile import imwrite

from whaledo.challenges.cloud_cover import read_mask
from whaledo.challenges.mouse_behavior_inference import InferenceError, read_npy
from whaledo.challenges.pose_bowl import check_boxes
from whaledo.files import InputError
from whaledo.runner.runtime import unpack
from whaledo.runner.sandbox import RunError

pytestmark = pytest.mark.filterwarnings("ignore")
made = settings(max_examples=125, deadline=timedelta(seconds=10), database=None, suppress_health_check=list(HealthCheck))
flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)


@contextmanager
def a_gigabyte():
    "No more than a gigabyte beyond what this process holds already; what needs more ends in a MemoryError."
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 10**9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def changed(data: bytes, flips) -> bytes:
    data = bytearray(data)
    for at, value in flips:
        data[at % len(data)] = value
    return bytes(data)


names = st.sampled_from(["main.py", "./main.py", "main.py/", "main.py/x", "a/b.py", "a//b.py", "a\\b.py", "../x", "/etc/x", "data", "submission",
                         "a", "a/", "d/" * 30 + "x", "é.py", "x" * 300, "CON", " ", "."]) | st.text(min_size=1, max_size=12)
members = st.lists(st.tuples(names, st.binary(max_size=40), st.sampled_from([0, 8, 12, 14]), st.sampled_from([0, 3]),
                             st.sampled_from([0, 0o100644, 0o100755, 0o120777, 0o010644])), max_size=6)


@made
@seed(16)
@given(members, flips, st.booleans())
def test_zips(members, flips, damaged):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        for name, content, method, system, mode in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system, info.external_attr = method, system, mode << 16
            z.writestr(info, content)
    with tempfile.TemporaryDirectory() as tmp, a_gigabyte():
        path = Path(tmp, "submission.zip")
        path.write_bytes(changed(file.getvalue(), flips) if damaged else file.getvalue())
        try:
            unpack(path, Path(tmp, "ours"), unpacked_gb=.5)
        except RunError as e:
            assert str(e).endswith("."), e
            return
    if not damaged:
        unpacked_the_same(file.getvalue())


def unpacked_the_same(data: bytes):
    "What is taken lies where `unzip` puts it."
    if not shutil.which("unzip"):
        return
    with tempfile.TemporaryDirectory() as tmp:
        Path(tmp, "x.zip").write_bytes(data)
        unpack(Path(tmp, "x.zip"), Path(tmp, "ours"))
        done = subprocess.run(["unzip", "-q", "x.zip", "-d", "theirs"], cwd=tmp, stdin=subprocess.DEVNULL, capture_output=True)
        found = [sorted(str(p.relative_to(Path(tmp, who))) for p in Path(tmp, who).rglob("*") if p.is_file()) for who in ("ours", "theirs")]
        assert done.returncode == 0 and len(found[0]) == len(found[1]), (done.stderr, found)


cells = st.sampled_from(["0", "1", "+1", " 1", "-1", "1e3", "nan", "inf", "", "1.5", "99999999999999999999", "a", '"', '"a,b"', "\x00", "0x1"])
rows = st.lists(st.lists(cells, min_size=1, max_size=6).map(",".join), max_size=8)
header = st.sampled_from(["image_id,xmin,ymin,xmax,ymax", "image_id,xmin,ymin", "", "image_id,image_id,xmin,ymin,xmax", "\ufeffimage_id,xmin,ymin,xmax,ymax"])


@made
@seed(16)
@given(header, rows, flips, st.booleans())
def test_tables(header, rows, flips, damaged):
    data = "\n".join([header, *rows, ""]).encode()
    with tempfile.TemporaryDirectory() as tmp, a_gigabyte():
        Path(tmp, "submission_format.csv").write_text("image_id,xmin,ymin,xmax,ymax\na,0,0,0,0\n")
        Path(tmp, "submission.csv").write_bytes(changed(data, flips) if damaged else data)
        problems = check_boxes(Path(tmp, "submission.csv"), tmp)
    assert isinstance(problems, list) and all(p.endswith(".") for p in problems)


shapes = st.sampled_from([(512, 512), (1, 512, 512), (512, 512, 1), (4, 512, 512), (512, 512, 3), (256, 512), (2, 3)])
kinds = st.sampled_from(["uint8", "uint16", "float32", "int8"])
how = st.fixed_dictionaries({}, optional=dict(compression=st.just("zlib"), byteorder=st.sampled_from(["<", ">"]),
                                              bigtiff=st.booleans(), rowsperstrip=st.sampled_from([1, 8, 512])))


@made
@seed(16)
@given(shapes, kinds, how, flips, st.booleans())
def test_masks(shape, kind, how, flips, early):
    file = io.BytesIO()
    imwrite(file, np.ones(shape, kind), **how)
    data = file.getvalue()
    flips = [(at % 400, value) for at, value in flips] if early else flips  # most of what matters stands at the front
    with a_gigabyte():
        try:
            mask = read_mask(changed(data, flips))
        except InputError as e:
            assert str(e)
        else:
            assert mask.shape == (512, 512) and mask.dtype == np.uint8 and mask.max() <= 1


things = st.recursive(st.none() | st.integers(-10, 10**30) | st.floats(allow_subnormal=False) | st.text(max_size=5) | st.just(np.arange(3)) | st.just(np.array("2026", "M8[Y]")),
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4), max_leaves=12)


@made
@seed(16)
@given(st.dictionaries(st.text(max_size=3), things, max_size=4), st.integers(0, 5), flips, st.booleans())
def test_dictionaries(content, protocol, flips, damaged):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, dict(descr="|O", fortran_order=False, shape=()))
    head = len(file.getvalue())
    data = file.getvalue() + pickle.dumps(np.array(content, dtype=object), protocol)
    if damaged:
        data = changed(data, [(head + at % (len(data) - head), value) for at, value in flips])
    with tempfile.TemporaryDirectory() as tmp, a_gigabyte():
        Path(tmp, "submission.npy").write_bytes(data)
        try:
            found = read_npy(Path(tmp, "submission.npy"))
        except InferenceError as e:
            assert str(e).endswith("."), e
        else:
            assert isinstance(found, dict)
