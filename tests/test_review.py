"""The review table: its logic without a browser, then all of it in a real JupyterLab in a real Chromium.
WHALEDO_SCREENSHOTS=folder keeps what the browser showed, WHALEDO_MODEL=folder draws the heat maps of a trained model,
WHALEDO_BENCH=1 measures the first screen of 100,000 photos."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from whaledo.files import InputError
from whaledo.whale.catalogue import review as R
from whaledo.whale.catalogue.store import Catalogue, decide, fields_said, history, photos, rebuild, undo, writing

NOBODY = dict(same=0, new=0, different=0, skipped=0, last="")


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    "A catalogue to copy: importing takes a second."
    return R.demo_catalogue(tmp_path_factory.mktemp("demo"))


def fresh(ready, folder):
    "A copy of it; the photos are found by absolute paths."
    with Catalogue(ready) as cat:
        cat.db.execute("VACUUM INTO ?", [str(folder/"belugas.db")])
    return folder/"belugas.db"


@pytest.fixture
def r(ready, tmp_path):
    r = R.start(fresh(ready, tmp_path), "ana")
    R.view_state(r)
    yield r
    r.catalogue.close()


def whale(r, i=0):
    return photos(r.catalogue, [i]).whale_id[0]


def state(cat):
    return [cat.db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in ("state", "rejected")]


def named(r):
    "Go on to a photo with a named candidate; the photo, the whale."
    while not any(c["whale"] for c in r.shown):
        R.dispatch(r, "skip", r.order[0])
    return r.order[0], next(c["whale"] for c in r.shown if c["whale"])


# ---- the logic

def test_every_decision_is_in_the_log_with_what_was_shown(r):
    photo, name = named(r)
    ranking = [c["whale"] or [p["id"] for p in c["photos"]] for c in r.shown]
    probability = next(c["probability"] for c in r.shown if c["whale"] == name)
    now = R.dispatch(r, "different", photo, whale=name)
    assert now["photo"]["id"] == photo and name not in [c["whale"] for c in now["candidates"]]
    entry = history(r.catalogue).iloc[-1]
    assert (entry.who, entry.kind, entry.model) == ("ana", "reject", "pretended")
    assert entry.score == pytest.approx(probability)
    assert entry.payload["ranking"] == ranking and entry.payload["was"] is None
    now = R.dispatch(r, "new", photo)
    assert now["photo"]["id"] != photo and whale(r, photo).startswith("new-")
    assert "score" not in history(r.catalogue).payload.iloc[-1]
    assert (now["today"]["new"], now["today"]["different"]) == (1, 1)
    before = state(r.catalogue)
    rebuild(r.catalogue)
    assert state(r.catalogue) == before


def test_unnamed_photos_go_along_and_come_back_together(r):
    photo, (a, b) = r.order[0], r.order[3:5]
    left = len(r.order)
    now = R.dispatch(r, "new", photo, photos=[a, b])
    assert not now["trouble"] and now["left"] == left - 3
    assert whale(r, photo) == whale(r, a) == whale(r, b) != ""
    again = R.start(r.catalogue.file, "ana")  # what the next kernel sees
    assert not {photo, a, b} & {*again.order}
    now = R.dispatch(again, "undo", again.order[0])
    assert now["photo"]["id"] == photo and now["left"] == left and now["today"] == NOBODY
    assert "and 2 more" in now["message"]
    assert [whale(r, i) for i in (photo, a, b)] == ["", "", ""]
    again.catalogue.close()


def test_unnamed_photos_go_along_with_a_named_whale(r):
    photo, name = named(r)
    a = r.order[4]
    now = R.dispatch(r, "same", photo, whale=name, photos=[a])
    assert now["message"] == f"Photo {photo} is {name}, and so is {a}." and now["today"]["same"] == 2
    assert whale(r, a) == whale(r, photo) == name
    assert R.dispatch(r, "undo", now["photo"]["id"])["today"]["same"] == 0
    assert whale(r, a) == whale(r, photo) == ""


def test_photos_taken_in_one_go_lie_beside_each_other(r):
    now = R.view_state(r)
    facts = photos(r.catalogue, [now["photo"]["id"], *(p["id"] for p in now["photo"]["beside"])])
    assert len(facts) > 1 and facts.place.nunique() == 1 and (facts.whale_id == "").all()
    assert facts.timestamp.sort_values().diff().max() < R.pd.Timedelta("1h")
    alone = [i for i in r.order if r.encounter[i] not in {r.encounter[j] for j in r.order if j != i}]
    assert all(R.beside(r, i) == [] for i in alone)
    assert sum(len(R.beside(r, i)) == 0 for i in r.order) == len(alone)


def test_a_group_is_named_as_a_whole_or_not_at_all(r):
    photo, a = r.order[0], r.order[5]
    with Catalogue(r.catalogue.file) as bob:
        decide(bob, "assign", "bob", photo_id=a, whale="Luna")
    entries, now = len(history(r.catalogue)), R.dispatch(r, "new", photo, photos=[a])
    assert now["trouble"] and "Luna by now" in now["message"] and now["photo"]["id"] == photo
    assert len(history(r.catalogue)) == entries and whale(r, photo) == ""


def test_somebody_else_was_quicker(r):
    photo, name = named(r)
    with Catalogue(r.catalogue.file) as bob:
        decide(bob, "assign", "bob", photo_id=photo, whale="Luna")
    now = R.dispatch(r, "same", photo, whale=name)
    assert now["trouble"] and now["message"].count(".") <= 2 and f"photo {photo} is Luna by now" in now["message"]
    assert now["photo"]["id"] != photo and whale(r, photo) == "Luna"
    now = R.dispatch(r, "same", photo, whale=name)  # a key that was meant for the photo before
    assert now["trouble"] and "Another photo has come up" in now["message"]
    assert history(r.catalogue).who.tolist()[-1] == "bob"


def test_undo_takes_back_the_own_decisions_only_and_shows_the_photo(r):
    first, second = r.order[:2]
    R.dispatch(r, "new", first)
    R.dispatch(r, "skip", second)
    with Catalogue(r.catalogue.file) as bob:
        decide(bob, "assign", "bob", photo_id=r.order[0], whale="Luna")
    assert R.dispatch(r, "undo", next(iter(r.order)))["photo"]["id"] == second
    assert R.dispatch(r, "undo", second)["photo"]["id"] == first
    now = R.dispatch(r, "undo", first)
    assert now["trouble"] and now["message"] == "ana has no decision left to undo." and now["today"] == NOBODY


def test_look_alikes_without_a_name_are_set_aside_and_nothing_is_written(r):
    while not any(not c["whale"] for c in r.shown):
        R.dispatch(r, "skip", r.order[0])
    photo, group = r.order[0], next([p["id"] for p in c["photos"]] for c in r.shown if not c["whale"])
    entries = len(history(r.catalogue))
    now = R.dispatch(r, "different", photo, photos=group)
    assert now["photo"]["id"] == photo and not now["trouble"]
    assert group not in [[p["id"] for p in c["photos"]] for c in now["candidates"]]
    assert len(history(r.catalogue)) == entries


def test_merge_split_note_and_names(r):
    photo, name = named(r)
    other = photos(r.catalogue).query("whale_id not in ('', @name)").whale_id.iloc[0]
    ids = photos(r.catalogue).query("whale_id == @name").photo_id.tolist()
    assert not R.dispatch(r, "merge", photo, whales=[other, name], whale=name)["trouble"]
    assert other not in set(photos(r.catalogue).whale_id)
    assert not R.dispatch(r, "undo", photo)["trouble"] and other in set(photos(r.catalogue).whale_id)
    R.dispatch(r, "split", photo, whale=name, photos=ids[:1], name="Luna")
    assert whale(r, ids[0]) == "Luna"
    now = R.dispatch(r, "note", photo, text=" a scar ")
    assert [(n["who"], n["text"]) for n in now["photo"]["notes"]] == [("ana", "a scar")]
    assert R.dispatch(r, "undo", photo)["photo"]["notes"] == []
    assert R.dispatch(r, "same", photo, whale="Lona")["trouble"]  # a slip of the pen makes no whale
    assert whale(r, photo) == ""
    assert R.dispatch(r, "new", photo, whale="Luna")["trouble"]
    assert not R.dispatch(r, "same", photo, whale="Luna")["trouble"] and whale(r, photo) == "Luna"


def test_undoing_an_undo_brings_a_note_and_a_skip_back(r):
    photo = r.order[0]
    R.dispatch(r, "note", photo, text="a scar")
    R.dispatch(r, "skip", photo)
    skip, note = history(r.catalogue).seq.tolist()[:-3:-1]
    for seq in (note, skip):
        undo(r.catalogue, "ana", undo(r.catalogue, "ana", seq))
    assert history(r.catalogue).set_index("seq").undone_by[[note, skip]].isna().all()
    now = R.dispatch(r, "choose", r.order[0], show="skipped")
    assert now["photo"]["id"] == photo and now["today"]["skipped"] == 1
    assert [n["text"] for n in now["photo"]["notes"]] == ["a scar"]
    R.dispatch(r, "choose", photo, show="waiting")
    assert photo not in r.order
    assert R.queue(r.catalogue).photo_id.tolist()[-1] == photo


def test_a_catalogue_of_an_earlier_version_opens(r, tmp_path):
    photo = r.order[0]
    R.dispatch(r, "note", photo, text="a scar")
    before, earlier = history(r.catalogue), tmp_path/"earlier.db"
    r.catalogue.db.execute("VACUUM INTO ?", [str(earlier)])
    with Catalogue(earlier) as cat:
        cat.db.execute("DROP TABLE decisions")
    again = R.start(earlier, "ana")
    assert history(again.catalogue).equals(before)
    assert R.undo_last(again) == f"Taken back: photo {photo}: a scar."
    again.catalogue.close()


def test_filters(r):
    df = photos(r.catalogue).set_index("photo_id")
    everything = set(r.order)
    R.dispatch(r, "skip", skipped := r.order[0])
    R.dispatch(r, "choose", r.order[0], place="Susitna", since="2018-01-01", until="2018-12-31")
    expected = df.loc[[*everything]].query("place == 'Susitna' and '2018-01-01' <= date <= '2018-12-31'")
    assert set(r.order) == set(expected.index) and len(r.order) > 3
    now = R.dispatch(r, "choose", r.order[0], **{**R.FILTERS, "show": "skipped"})
    assert r.order == [skipped] and now["left"] == 1
    R.dispatch(r, "choose", r.order[0], show="waiting")
    assert set(r.order) == everything - {skipped}
    now = R.dispatch(r, "choose", r.order[0], since="2035-01-01")
    assert now["photo"] is None and now["candidates"] == [] and "No photo" in now["message"]
    assert R.dispatch(r, "skip", None)["trouble"]
    assert R.dispatch(r, "choose", None, **R.FILTERS)["left"] == len(everything)


def test_to_the_last_photo(r):
    R.dispatch(r, "choose", r.order[0], viewpoint="left")
    while r.order:
        name = next((c["whale"] for c in r.shown if c["whale"]), "")
        now = R.dispatch(r, "same", r.order[0], whale=name) if name else R.dispatch(r, "new", r.order[0])
    assert now["photo"] is None and now["left"] == 0 and not now["trouble"]
    assert (photos(r.catalogue).query("viewpoint == 'left'").whale_id != "").all()


def test_what_is_believed_of_the_batch_can_be_said(r):
    "The more of the animals are known, the less is proposed as new."
    now = R.view_state(r)
    new = {}
    for percent in ("5", "95"):
        now = R.dispatch(r, "believe", now["photo"]["id"], percent=percent)
        assert not now["trouble"] and now["share"] == int(percent) / 100
        new[percent] = sum(p["proposal"] != "whale" for p in r.proposed.values())
    assert new["5"] > new["95"]
    for wrong in ("", "many", "101"):
        now = R.dispatch(r, "believe", now["photo"]["id"], percent=wrong)
        assert now["trouble"] and now["share"] == .95
    assert [e.payload["text"] for e in history(r.catalogue).itertuples() if "as said" in str(e.payload)]


def test_nothing_to_review(tmp_path):
    with pytest.raises(InputError, match="no such catalogue"):
        R.start(tmp_path/"nowhere.db")
    Catalogue(tmp_path/"empty.db").close()
    with pytest.raises(InputError, match="no photo has been matched"):
        R.start(tmp_path/"empty.db")
    with pytest.raises(InputError, match="no photo has been matched"):
        R.review(tmp_path/"empty.db")


def test_ten_thousand_photos_can_be_reviewed(tmp_path):
    file = R.crowd(tmp_path/"many.db", 10_000, 200)
    r = R.start(file, "ana")
    now = R.view_state(r)
    assert now["left"] == 200 and now["candidates"]
    for i in range(10):
        now = R.dispatch(r, "skip", now["photo"]["id"])
    assert now["today"]["skipped"] == 10
    r.catalogue.close()


# ---- in a browser

NOTEBOOK = """from whaledo.whale.catalogue.review import review
review({file!r}, 'ana'{more})"""


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    if not (found := next(filter(None, map(shutil.which, names)), None)):
        pytest.skip("no Chromium here; install the package chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "A JupyterLab server of its own: its folder, its address, its process."
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    kinds = ("JUPYTER_CONFIG", "JUPYTER_RUNTIME", "JUPYTER_DATA", "JUPYTERLAB_SETTINGS", "JUPYTERLAB_WORKSPACES")
    own = {f"{k}_DIR": str(folder/"jupyter"/k.lower()) for k in kinds}
    args = [f"--ServerApp.port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=",
            f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    quiet = folder/"jupyter"/"jupyterlab_settings"/"@jupyterlab"/"apputils-extension"/"notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with open(folder/"lab.log", "w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *args], cwd=folder, stdout=log, stderr=log,
                                  env={**os.environ, **own, "IPYTHONDIR": str(folder/"ipython")})
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api/status")
                break
            except OSError:
                assert server.poll() is None, (folder/"lab.log").read_text()[-2000:]
                time.sleep(.25)
        yield SimpleNamespace(folder=folder, address=address, server=server)
    finally:
        family = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        _, late = psutil.wait_procs([psutil.Process(server.pid), *family], 10)
        for process in late:
            process.kill()


def wait_for_address(server, log):
    "The address that a server says it runs at, with its token."
    for _ in range(240):
        if found := [w for w in log.read_text().split() if w.startswith("http://") and "token=" in w]:
            return found[0]
        assert server.poll() is None, log.read_text()[-2000:]
        time.sleep(.25)
    raise AssertionError("no address")


def write_notebook(folder, *cells):
    "In a folder of its own; what JupyterLab calls it."
    code = [dict(cell_type="code", id=f"cell{i}", execution_count=None, metadata={}, outputs=[], source=c)
            for i, c in enumerate(cells)]
    kernel = dict(kernelspec=dict(name="python3", display_name="Python 3", language="python"))
    (folder/"review.ipynb").write_text(json.dumps(dict(cells=code, metadata=kernel, nbformat=4, nbformat_minor=5)))
    return f"{folder.name}/review.ipynb"


class Screen:
    "A notebook with the review table in a browser."
    def __init__(self, browser, address, notebook, theme="light", width=1280, height=860):
        self.page = browser.new_page(viewport=dict(width=width, height=height))
        self.page.goto(f"{address}/lab/tree/{notebook}?reset")  # nothing that was open before
        self.page.locator(".jp-Notebook .cm-content").first.wait_for(timeout=60_000)
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=60_000)
        if theme == "dark":
            self.command("apputils:change-theme", theme="JupyterLab Dark")
        if self.page.locator("#jp-left-stack").is_visible():
            self.command("application:toggle-left-area")

    def command(self, name, **args):
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args) }", [name, args])

    def run(self):
        self.command("notebook:run-all-cells")
        self.page.locator(".wr-card").first.wait_for(timeout=90_000)
        self.root = self.page.locator(".wr")
        self.root.scroll_into_view_if_needed()
        return self.settle()

    def settle(self):
        "Wait until Python has answered and the pictures are there."
        self.page.wait_for_function("() => !document.querySelector('.wr[aria-busy]')")
        self.page.wait_for_function("() => document.querySelectorAll('.wr-stage .wr-there').length >= 2")
        return self

    def shot(self, name):
        if folder := os.environ.get("WHALEDO_SCREENSHOTS"):
            self.page.wait_for_timeout(400)
            self.page.screenshot(path=Path(folder)/f"{name}.png")

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def photo(self):
        return int(self.page.locator(".wr-stage .wr-frame").first.get_attribute("data-photo"))

    def cards(self):
        return [c.get_attribute("data-whale") for c in self.page.locator(".wr-card").all()]

    def click(self, name):
        self.page.locator(".wr-actions").get_by_role("button", name=name).click()
        return self.settle()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        return self.settle()


def by_mouse(s, i):
    "Review a photo by mouse; what the log should say."
    photo, whales = s.photo(), s.cards()
    known = next((n for n, w in enumerate(whales) if w), None)
    if i % 4 == 3:
        s.click("Skip")
        return [("skip", photo, None)]
    if known is None or i % 4 == 2:
        s.click("New whale")
        return [("assign", photo, "new")]
    s.page.locator(".wr-card").nth(known).locator(".wr-thumb").first.click()
    if i % 4 == 1 and any(whales[known + 1:]):  # not this one, but the next
        s.click("Not this whale")
        return [("reject", photo, whales[known]), *by_mouse(s, 0)]
    s.click("Same whale")
    return [("assign", photo, whales[known])]


def by_keyboard(s, i):
    "The same with keys."
    photo, whales = s.photo(), s.cards()
    known = next((n for n, w in enumerate(whales) if w), None)
    if i % 4 == 3:
        s.press("s")
        return [("skip", photo, None)]
    if known is None or i % 4 == 2:
        s.press("w")
        return [("assign", photo, "new")]
    if i % 4 == 1:
        s.press("1", *["j"]*known, "n")
        return [("reject", photo, whales[known]), *by_keyboard(s, 2)]
    s.press(str(known + 1), "Enter" if i % 8 else "y")
    return [("assign", photo, whales[known])]


def written(file):
    "What the log says, as `by_mouse` does; new whales are just new."
    with Catalogue(file) as cat:
        log = history(cat)
    log = log[log.who == "ana"]
    out = []
    for e in log.itertuples():
        name = "new" if str(e.payload.get("whale")).startswith(f"new-{e.seq:05d}") else e.payload.get("whale")
        out.append((e.kind, e.payload.get("photo_id"), name))
    return out


def untrained(folder):
    from whaledo.whale.model.config import ModelConfig
    from whaledo.whale.model.inference import build_model, save_model
    config = ModelConfig(backbone="test_resnet", embedding_size=64, input_size=[128, 48], mean=[.5]*3, std=[.25]*3)
    save_model(build_model(config), config, folder)
    return folder


def kill_kernel(server, folder):
    "As a computer that is switched off would: without a chance to finish anything."
    kernel, = [p for p in psutil.Process(server.pid).children(recursive=True)
               if "ipykernel_launcher" in " ".join(p.cmdline()) and Path(p.cwd()) == folder]
    kernel.send_signal(signal.SIGKILL)


def test_ten_by_mouse_ten_by_keyboard_two_undone_and_the_kernel_killed(chromium, lab, ready):
    (folder := lab.folder/"first").mkdir()
    file = fresh(ready, folder)
    os.symlink(os.environ.get("WHALEDO_MODEL") or untrained(folder/"untrained"), folder/"model")
    notebook = write_notebook(folder, NOTEBOOK.format(file="belugas.db", more=", model_folder='model'"))
    s = Screen(chromium, lab.address, notebook).run()
    kept = len([*(folder/"belugas.thumbnails").rglob("*.jpg")])
    assert 2 <= kept < 100  # of 300: what is not seen is not loaded
    expected = [e for i in range(10) for e in by_mouse(s, i)]
    s.root.focus()
    expected += [e for i in range(10) for e in by_keyboard(s, i)]
    assert written(file) == expected
    s.shot("review_light")
    heat_maps(s)

    last = s.photo()
    s.click("Undo")
    assert "Taken back" in s.text(".wr-status")
    s.press("u")
    assert s.photo() != last
    expected += [("undo", None, None)]*2
    assert written(file) == expected

    look_closer(s)
    what_goes_wrong_is_said(s)
    assert written(file) == expected
    assert s.page.locator(".jp-Cell").count() == 1  # no key went to JupyterLab: a, b, d, x would have
    a_double_click_decides_once(s, file)
    s.click("Undo")
    expected += written(file)[len(expected):]
    shown = s.text(".wr-tally"), s.photo()
    kill_kernel(lab.server, folder)
    s.page.locator(".wr-status", has_text="reload the page, or run the cell again, to go on").wait_for(timeout=30_000)
    assert not s.page.locator(".wr[aria-busy]").count()
    s.page.close()

    s = Screen(chromium, lab.address, notebook, "dark").run()
    s.shot("review_dark")
    assert s.text(".wr-tally") == shown[0]
    assert written(file) == expected
    r = R.start(file, "ana")
    assert s.photo() == R.view_state(r)["photo"]["id"]
    decided = {p for (kind, p, _) in expected[:-2] if kind == "assign"}
    back = decided & set(r.order)
    assert len(back) <= 2 and (photos(r.catalogue, list(decided - back)).whale_id != "").all()
    before = state(r.catalogue)
    rebuild(r.catalogue)
    assert state(r.catalogue) == before
    r.catalogue.close()


def test_a_second_tab_goes_along_and_a_kernel_that_was_restarted_says_so(chromium, lab, ready):
    (folder := lab.folder/"third").mkdir()
    file = fresh(ready, folder)
    notebook = write_notebook(folder, NOTEBOOK.format(file="belugas.db", more=""))
    s = Screen(chromium, lab.address, notebook).run()
    s.command("docmanager:save")
    s.page.wait_for_timeout(1500)
    other = Screen(chromium, lab.address, notebook)  # the same table: whoever decides, both go on
    other.page.locator(".wr-card").first.wait_for(timeout=60_000)
    shown = s.photo()
    s.root.focus()
    s.press("s")
    other.page.wait_for_function(f"() => document.querySelector('.wr-stage .wr-frame').dataset.photo != '{shown}'")
    assert other.photo() == s.photo() != shown
    assert written(file) == [("skip", shown, None)]
    other.page.close()

    before = written(file)
    s.command("kernelmenu:restart")
    s.page.locator(".jp-Dialog .jp-mod-accept").click()
    s.page.locator(".wr-status.wr-trouble", has_text="reload the page, or run the cell").wait_for(timeout=30_000)
    s.root.focus()
    s.page.keyboard.press("w")
    s.page.wait_for_timeout(500)
    assert written(file) == before
    s.run()
    assert s.photo() == R.view_state(r := R.start(file, "ana"))["photo"]["id"]
    r.catalogue.close()


def a_double_click_decides_once(s, file):
    before = len(written(file))
    photo = s.photo()
    s.page.locator(".wr-actions").get_by_role("button", name="Skip").dblclick()
    s.settle()
    s.page.wait_for_timeout(500)
    assert written(file)[before:] == [("skip", photo, None)]


def heat_maps(s):
    s.press("h")
    s.page.wait_for_function("() => document.querySelectorAll('img.wr-heat').length == 2", timeout=60_000)
    s.shot("review_heat")
    s.press("h")
    assert s.page.locator("img.wr-heat").count() == 0


def look_closer(s):
    "Zoom and pan move both photos; every picture and every button says what it is."
    def at():  # the matrices by which the photos are moved
        matrix = "e => getComputedStyle(e).transform.replace('matrix(', '').split(',').map(parseFloat)"
        return [stage.evaluate(matrix) for stage in s.page.locator(".wr-panes .wr-stage").all()]

    s.root.focus()
    begin = at()
    s.press("+", "+", "ArrowLeft")
    left, right = at()
    assert left[0] == right[0] > 1.9 and left == pytest.approx(right, abs=1) and left[4] > begin[0][4]
    box = s.page.locator(".wr-panes .wr-pane").last.bounding_box()
    s.page.mouse.move(box["x"] + 60, box["y"] + 90)
    s.page.mouse.wheel(0, -200)
    s.page.mouse.down()
    s.page.mouse.move(box["x"] + 90, box["y"] + 190, steps=4)
    s.page.mouse.up()
    moved = at()
    assert moved[0][0] > left[0] and moved[0] == pytest.approx(moved[1], abs=1) and moved[0][5] > left[5]
    s.press("r", "c", "b")
    assert at()[1][0] == pytest.approx(0, abs=1e-6) and at()[0][0] > 1  # the candidate lies on its side
    s.press("0")
    assert at()[0] == begin[0]
    assert s.page.evaluate("() => [...document.querySelectorAll('.wr img')].every(i => i.alt.length > 10)")
    named = "b => b.innerText.trim() || b.ariaLabel"
    assert s.page.evaluate(f"() => [...document.querySelectorAll('.wr button')].every({named})")
    s.press("?")
    assert "same whale as the candidate" in s.text("dialog")
    s.shot("review_keys")
    s.press("Escape")


def what_goes_wrong_is_said(s):
    s.press("a")
    s.page.keyboard.type("nobody")
    s.press("Enter")
    assert "There is no whale 'nobody'" in s.text(".wr-status.wr-trouble")
    s.press("f")
    assert s.page.locator(".wr-filters").is_visible()
    s.page.locator("select[name=show]").select_option("skipped")
    s.settle()
    s.page.wait_for_function("() => document.querySelector('.wr-tally b').innerText == '4'")
    s.page.get_by_role("button", name="Clear").click()
    s.settle()
    s.press("f")  # the table has kept the focus, though the button is gone
    assert s.page.locator(".wr-filters").is_hidden()


def test_a_photo_that_cannot_be_read_says_so(chromium, lab, ready):
    (folder := lab.folder/"second").mkdir()
    file = fresh(ready, folder)
    r = R.start(file, "ana")
    first = R.view_state(r)["photo"]["id"]
    with writing(r.catalogue) as db:
        db.execute("UPDATE photos SET path = 'gone.jpg' WHERE photo_id = ?", (first,))
        db.execute("UPDATE names SET path = 'gone.jpg' WHERE photo_id = ?", (first,))
    r.catalogue.close()
    notebook = write_notebook(folder, NOTEBOOK.format(file="belugas.db", more=""))
    s = Screen(chromium, lab.address, notebook).run()
    assert s.photo() == first
    assert "gone.jpg is not there" in s.text(".wr-frame:last-child .wr-broken")
    s.root.focus()
    s.press("h")
    assert "need the folder of the model" in s.text(".wr-status.wr-trouble")
    s.press("w")
    assert written(file) == [("assign", first, "new")]


@pytest.mark.skipif(not os.environ.get("WHALEDO_BENCH"), reason="takes a minute; set WHALEDO_BENCH=1")
def test_a_hundred_thousand_photos_in_the_browser(chromium, lab):
    (folder := lab.folder/"crowd").mkdir()
    R.crowd(folder/"belugas.db", 100_000, 1_000)
    notebook = write_notebook(folder, *NOTEBOOK.format(file="belugas.db", more="").splitlines())
    s = Screen(chromium, lab.address, notebook)
    s.command("notebook:run-cell-and-select-next")  # the import
    s.page.locator(".jp-InputPrompt", has_text="[1]:").wait_for(timeout=60_000)
    began = time.perf_counter()
    s.command("notebook:run-cell")
    s.page.wait_for_function("() => document.querySelectorAll('.wr-stage .wr-there').length >= 4")
    took = time.perf_counter() - began
    print(f"first screen of 100,000 photos: {took:.2f} s")
    assert s.page.locator(".wr-card img").count() <= 44  # nothing is loaded that is not shown
