"Published models by name and by file, through a replica of the hub: trained or as they are, packed, run sealed off, matched with."
import http.server
import json
import shutil
import threading
from functools import partial

import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from conftest import ROOT

COLOURS = dict(mean=[.5, .5, .5], std=[.5, .5, .5], interpolation="bicubic")


class Hub(http.server.SimpleHTTPRequestHandler):
    "Serves folder/owner/name/file as a model hub serves owner/name/resolve/main/file."

    def translate_path(self, path):
        return super().translate_path(path.replace("/resolve/main/", "/"))

    def end_headers(self):
        self.send_header("ETag", f'"{abs(hash(self.path))}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        super().end_headers()

    def send_error(self, code, message=None, explain=None):
        self.send_response(code)
        self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def mega_descriptor(folder):
    "MegaDescriptor-T's architecture and names, fewer blocks, random weights."
    args = dict(depths=[1, 1, 1, 1])
    folder.mkdir(parents=True)
    net = timm.create_model("swin_tiny_patch4_window7_224", **args)
    torch.save(net.state_dict(), folder/"pytorch_model.bin")
    (folder/"config.json").write_text(json.dumps(dict(architecture="swin_tiny_patch4_window7_224", model_args=args,
                                                      pretrained_cfg=COLOURS)))


def miew_id(folder):
    "MiewID's names around a smaller network of the same family, random weights."
    folder.mkdir(parents=True)
    net = timm.create_model("efficientnetv2_rw_t", num_classes=0, global_pool="")
    tensors = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    tensors |= {f"bn.{k}": v for k, v in torch.nn.BatchNorm1d(net.num_features).state_dict().items()}
    save_file(tensors | {"pooling.p": torch.tensor([3.])}, folder/"model.safetensors")
    (folder/"config.json").write_text(json.dumps(dict(architectures=["MiewIdNet"], model_name="efficientnetv2_rw_t")))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    "The folder that the replica serves, and where."
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0) # some random networks of this depth overflow
    mega_descriptor(folder/"BVRA"/"MegaDescriptor-T-224")
    miew_id(folder/"conservationxlabs"/"miewid-msv3")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(hub, survey, tmp_path, monkeypatch, ok):
    "A project of its own, which finds the replica."
    project = tmp_path/"project"
    keep = shutil.ignore_patterns("*.safetensors", "config.json")
    shutil.copytree(ROOT/"submission_src", project/"submission_src", ignore=keep)
    monkeypatch.setattr("whaledo.cli.project", lambda: project)
    monkeypatch.setenv("HF_ENDPOINT", hub[1])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path/"cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ok("scenarios", survey, "--data-dir", tmp_path/"data")
    return project


def config_of(project):
    return json.loads((project/"submission_src"/"config.json").read_text())


NAMES = ("BVRA/MegaDescriptor-T-224", "conservationxlabs/miewid-msv3")
SMALL = "pixels=12000 input_size=[64,64] flip=false shortlist=0"


@pytest.mark.parametrize("name", NAMES)
def test_by_name_as_it_is_packed_run_and_matched_with(name, project, ok, tmp_path, needs_sandbox):
    data, run, at = tmp_path/"data", tmp_path/"run", ["--submission-dir", tmp_path/"submission"]
    ok("train", "--data-dir", data, "--recipe", "frozen", "--backbone", f"hf-hub:{name}", "--run", run, "--change", SMALL)
    config = config_of(project)
    assert timm.is_model(config["backbone"]) and config["pretrained"] == f"hf-hub:{name}"
    assert config["mean"][0] == (.5 if "Mega" in name else .485) and config["calibration"]
    ok("pack", *at)
    ok("test-submission", "--data-dir", data, *at)
    assert ok("score", "--data-dir", data, *at)["mean_average_precision"] > .005
    log = (tmp_path/"submission"/"log.txt").read_text()
    assert config["backbone"] in log and "passed" in log
    few = tmp_path/"few"
    few.mkdir()
    for file in sorted((data/"images").glob("*.jpg"))[:6]:
        shutil.copy(file, few)
    ok("import-photos", data/"train", "--catalogue", tmp_path/"w.db")
    ok("match", few, "--catalogue", tmp_path/"w.db", "--model", run, "--viewpoint", "top", "--table", tmp_path/"found.csv")
    assert len(pd.read_csv(tmp_path/"found.csv")) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_by_file_as_a_start_of_training(name, hub, project, ok, tmp_path):
    ok("train", "--data-dir", tmp_path/"data", "--recipe", "demo", "--pretrained", hub[0]/name, "--run", tmp_path/"run",
       "--change", "epochs=1 input_size=[64,64] local_dims=8 valid=.5")
    config = config_of(project)
    assert config["backbone"].startswith("swin_tiny" if "Mega" in name else "efficientnetv2_rw_t")
    assert config["embedding_size"] == 256 and config["precision"] == "float32"


def test_what_cannot_be_is_said_in_one_sentence(project, hub, whaledo, tmp_path):
    at = ["train", "--data-dir", tmp_path/"data", "--recipe", "frozen", "--run", tmp_path/"run"]
    wrong = {("--backbone", "resnet_999", "--pretrained", "hub"): "resnet_999",
             ("--pretrained", "hf-hub:nobody/nothing"): "hf-hub:nobody/nothing",
             ("--pretrained", tmp_path/"none.bin"): "none.bin is missing",
             ("--pretrained", hub[0]/NAMES[0], "--backbone", "resnet18"): "not of resnet18",
             ("--change", "lr"): "key=value",
             ("--change", "epohcs=3"): "did you mean epochs?"}
    for options, words in wrong.items():
        code, _, err = whaledo(*at, *options)
        assert code in (1, 2) and words in err and "Traceback" not in err and err.strip().count("\n") == 0, err
    assert not (tmp_path/"run").exists()
