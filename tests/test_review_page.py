"The review as a page of its own, in a real Chromium."
import os
import socket
import subprocess
from contextlib import contextmanager

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe as AxeRunner
from test_review import chromium, fresh, ready, wait_for_address, written  # noqa: F401

from whaledo.cli import review_command
from whaledo.whale.catalogue.store import Catalogue, fields_said, history, opinions, photos


@contextmanager
def served(folder, file, **own):
    "The page of a catalogue; its address."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    said = dict(WHALEDO_CATALOGUE=str(file), WHALEDO_WHO="ana", PYTHONUNBUFFERED="1")
    command = [*review_command(folder, lab=False), "--no-browser", f"--port={port}"]
    with open(folder/"page.log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | said | own)
    try:
        yield wait_for_address(server, folder/"page.log")
    finally:
        family = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        psutil.wait_procs([psutil.Process(server.pid), *family], 10)


def opened(browser, address, **view):
    "The page, when its first candidates are there."
    page = browser.new_page(**view)
    page.goto(address)
    page.locator(".wr-card").first.wait_for(timeout=90_000)
    return page


def photo_on(page):
    return int(page.locator(".wr-stage .wr-frame").first.get_attribute("data-photo"))


def until_another(page, shown):
    page.wait_for_function(f"() => document.querySelector('.wr-stage .wr-frame')?.dataset.photo != '{shown}'")


def test_the_review_is_a_page_with_no_cell_to_run(chromium, ready, tmp_path):
    file = fresh(ready, tmp_path)
    (tmp_path/"fields.csv").write_text("field,about,values\nquality,photo,good;poor\nmarks,animal,\n")
    with served(tmp_path, file) as address:
        page = opened(chromium, address, viewport=dict(width=900, height=860))
        shown = photo_on(page)
        photos_are_the_largest_thing(page)
        page.locator(".wr-actions").get_by_role("button", name="Skip").click()
        until_another(page, shown)
        assert written(file) == [("skip", shown, None)]
        assert page.locator("text=WHALEDO_CATALOGUE").count() == 0  # no code
        an_encounter_in_one_go(page, file)
        all_photos_of_a_whale(page, file)
        fields_are_filled_in(page, file)
        a_key_that_is_held_decides_once(page, file)
        side_by_side(page)
        filters_are_kept(page)
        a_box_is_drawn(page, file)
        nobody_is_shut_out(page)
        page.close()
        on_a_telephone(chromium, address)
        at_twice_the_size(chromium, address)


def photos_are_the_largest_thing(page):
    photos_, thumbs = ([e.bounding_box() for e in page.locator(s).all()] for s in (".wr-panes .wr-pane", ".wr-thumb"))
    assert min(p["width"]*p["height"] for p in photos_) > max(t["width"]*t["height"] for t in thumbs)


def a_key_that_is_held_decides_once(page, file):
    before = len(written(file))
    shown = photo_on(page)
    page.locator(".wr").focus()
    for _ in range(5):  # without letting go: repeated keydowns
        page.keyboard.down("s")
    page.keyboard.up("s")
    until_another(page, shown)
    page.wait_for_timeout(500)
    assert written(file)[before:] == [("skip", shown, None)]


def side_by_side(page):
    "Four candidates beside the photo, all moved together; a click chooses one, its page turns with the keys."
    names = [b.inner_text() for b in page.locator(".wr-name b").all()]
    page.locator(".wr").focus()
    page.keyboard.press("v")
    figures = page.locator(".wr-sheet figure")
    page.wait_for_function("() => document.querySelectorAll('.wr-sheet .wr-there').length >= 8")
    assert [f.locator("b").inner_text() for f in figures.all()] == names[:4]
    figures.nth(2).locator(".wr-pane").click()
    assert page.locator(".wr-sheet figure[data-chosen] b").inner_text() == names[2]
    page.keyboard.press("+")
    zoom = "e => new DOMMatrix(getComputedStyle(e).transform).a"
    sizes = [s.evaluate(zoom) for s in page.locator(".wr-stage:visible").all()]
    assert len(sizes) == 5 and min(sizes) == max(sizes) > 1.3
    page.keyboard.press("0")
    for _ in range(2):
        page.keyboard.press("j")
    assert page.locator(".wr-sheet figure[data-chosen] b").inner_text() == names[4]
    page.keyboard.press("v")
    assert page.locator(".wr-card[data-chosen] .wr-name b").inner_text() == names[4]
    assert page.locator(".wr-sheet").is_hidden()


def filters_are_kept(page):
    "Under a name, for the next time, until they are forgotten."
    page.locator(".wr").focus()
    page.keyboard.press("f")
    page.locator("select[name=show]").select_option("skipped")
    page.wait_for_function("() => !document.querySelector('.wr[aria-busy]')")
    page.get_by_role("button", name="Keep as").click()
    page.locator("dialog input[name=name]").fill("once more")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.locator(".wr-status", has_text="kept as once more").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("() => document.querySelector('select[name=show]').value == 'all'")
    page.locator("select[name=saved]").select_option("once more")
    page.wait_for_function("() => document.querySelector('select[name=show]').value == 'skipped'")
    page.get_by_role("button", name="Forget").click()
    page.locator(".wr-status", has_text="is forgotten").wait_for()
    assert not page.locator("select[name=saved]").count()
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("() => document.querySelector('select[name=show]').value == 'all'")


def a_box_is_drawn(page, file):
    "By mouse, corrected by a number; the picture on the screen is cut out anew, and back after an undo."
    page.locator(".wr").focus()
    size = "() => { const im = document.querySelector('.wr-stage .wr-frame:last-child img'); return [im.naturalWidth, im.naturalHeight] }"
    shown = photo_on(page)
    before = page.evaluate(size)
    page.keyboard.press("i")
    area = page.locator(".wr-area")
    area.locator("img").wait_for()
    page.wait_for_function("() => document.querySelector('.wr-area img').naturalWidth")
    at = area.bounding_box()
    page.mouse.move(at["x"] + .25*at["width"], at["y"] + .25*at["height"])
    page.mouse.down()
    page.mouse.move(at["x"] + .75*at["width"], at["y"] + .75*at["height"], steps=4)
    page.mouse.up()
    drawn = [int(page.locator(f"dialog [name={side}]").input_value()) for side in ("x", "y", "width", "height")]
    assert drawn == pytest.approx([before[0]/4, before[1]/4, before[0]/2, before[1]/2], abs=2)
    page.locator("dialog [name=width]").fill("20")
    assert page.locator(".wr-mark").bounding_box()["width"] == pytest.approx(20*at["width"]/before[0], abs=5)
    page.get_by_role("button", name="Cut out").click()
    page.wait_for_function(f"() => ({size})()[0] == 20")
    assert photo_on(page) == shown and page.evaluate(size) == [20, drawn[3]]
    with Catalogue(file) as cat:
        assert photos(cat, [shown]).file[0].endswith(f"#xywh={drawn[0]},{drawn[1]},20,{drawn[3]}")
    page.keyboard.press("u")
    page.wait_for_function(f"() => ({size})()[0] == {before[0]}")


def nobody_is_shut_out(page):
    "axe-core finds nothing serious in the table, its filters, four candidates and the dialogs."
    def serious():
        found = AxeRunner().run(page, context=".wr").response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]

    page.locator(".wr-card:not([data-whale=''])").first.locator(".wr-name").click()
    assert serious() == []
    for key in "fv":
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert serious() == [], key
        page.locator(".wr").focus()
    page.keyboard.press("v")
    for key in "?gdpamti":
        page.locator(".wr").focus()
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        page.wait_for_timeout(500)
        assert serious() == [], key
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")


def at_twice_the_size(chromium, address):
    "What a browser does at 200 %: half as many pixels, each twice as large."
    page = opened(chromium, address, viewport=dict(width=640, height=430), device_scale_factor=2)
    photos_are_the_largest_thing(page)
    right = [b["x"] + b["width"] for b in (e.bounding_box() for e in page.locator(".wr-actions button:visible").all())]
    assert max(right) <= 640
    page.close()


def test_a_second_opinion_does_not_see_the_first(chromium, ready, tmp_path):
    "Ana names two photos, Bob looks at them again."
    file = fresh(ready, tmp_path)
    with served(tmp_path, file) as address:
        page = opened(chromium, address)
        page.locator(".wr").focus()
        for _ in range(2):
            shown = photo_on(page)
            page.locator(".wr-card:not([data-whale=''])").first.locator(".wr-name").click()
            page.keyboard.press("y")
            until_another(page, shown)
        page.close()
    given = {i: whale for kind, i, whale in written(file)}
    with served(tmp_path, file, WHALEDO_WHO="bob", WHALEDO_SECOND="yes") as address:
        page = opened(chromium, address)
        assert page.locator(".wr-second").inner_text() == "second opinion"
        first = photo_on(page)
        assert first in given and f"photo {first}" in page.locator(".wr-fact").first.inner_text().lower()
        assert given[first] not in page.locator("figcaption").first.inner_text()
        assert page.get_by_role("button", name="Merge").is_hidden()
        page.locator(f".wr-card[data-whale='{given[first]}'] .wr-name").click()
        page.keyboard.press("y")
        until_another(page, first)
        page.keyboard.press("w")
        page.locator(".wr-empty", has_text="Nothing is left").wait_for()
        page.close()
    with Catalogue(file) as cat:
        assert dict(zip(photos(cat).photo_id, photos(cat).whale_id)).items() >= given.items()
        said = opinions(cat).set_index("photo_id")
        assert said.whale[first] == given[first] and set(said.who) == {"bob"}
        assert len(history(cat)[lambda d: d.who == "bob"]) == 2


def an_encounter_in_one_go(page, file):
    "Skip to a photo that was not taken alone, tick all of its encounter by one key, name them by one more."
    while not page.locator(".wr-strip .wr-thumb").count():
        shown = page.locator(".wr-stage .wr-frame").first.get_attribute("data-photo")
        page.locator(".wr-actions").get_by_role("button", name="Skip").click()
        page.wait_for_function(f"() => document.querySelector('.wr-stage .wr-frame').dataset.photo != '{shown}'")
    both = ".wr-stage .wr-frame:first-child, .wr-strip .wr-frame"
    ids = [int(e.get_attribute("data-photo")) for e in page.locator(both).all()]
    ids.pop(1)  # of the candidate
    page.keyboard.press("e")
    assert page.locator(".wr-strip .wr-thumb[aria-pressed=true]").count() == len(ids) - 1
    page.keyboard.press("w")
    page.locator(".wr-tally", has_text=f"{len(ids)} named").wait_for()
    with Catalogue(file) as cat:
        assert set(photos(cat, ids).whale_id) == {photos(cat, ids[:1]).whale_id[0]} != {""}


def fields_are_filled_in(page, file):
    "The dialog of the fields that fields.csv names, for the photo and for the chosen animal."
    page.locator(".wr-card:not([data-whale=''])").first.locator(".wr-name").click()
    page.keyboard.press("d")
    page.locator("dialog select").select_option("poor")
    page.locator("dialog input").fill("a notch")
    page.get_by_role("button", name="Write").click()
    page.locator(".wr-fact", has_text="quality: poor").wait_for()
    page.locator(".wr-place", has_text="marks: a notch").wait_for()
    with Catalogue(file) as cat:
        assert fields_said(cat)[["field", "value"]].values.tolist() == [["quality", "poor"], ["marks", "a notch"]]


def all_photos_of_a_whale(page, file):
    "The gallery, by view and year."
    card = page.locator(".wr-card:not([data-whale=''])").first
    card.locator(".wr-name").click()
    name = card.get_attribute("data-whale")
    page.keyboard.press("g")
    page.locator(".wr-gallery td img").first.wait_for()
    with Catalogue(file) as cat:
        mine = photos(cat)
    mine = mine[mine.whale_id == name]
    assert page.locator(".wr-gallery td .wr-frame").count() == len(mine)
    columns = page.locator(".wr-gallery th[scope=col]").all_inner_texts()
    assert columns == sorted(set(mine.taken_at.str[:4]))
    page.keyboard.press("Escape")


def on_a_telephone(chromium, address):
    "The photos stay larger than the candidates, and nothing runs over the edge."
    page = chromium.new_page(viewport=dict(width=390, height=800), has_touch=True)
    page.goto(address)
    page.locator(".wr-card").first.wait_for(timeout=90_000)
    photos_, thumbs = ([e.bounding_box() for e in page.locator(s).all()] for s in (".wr-panes .wr-pane", ".wr-thumb"))
    assert min(p["width"]*p["height"] for p in photos_) > max(t["width"]*t["height"] for t in thumbs)
    assert max(b.bounding_box()["x"] + b.bounding_box()["width"] for b in page.locator(".wr :not(.wr-strip) > button:visible").all()) <= 390
    before = page.locator(".wr-tally").inner_text()
    page.locator(".wr-actions").get_by_role("button", name="New whale").tap()
    page.wait_for_function("before => document.querySelector('.wr-tally').innerText !== before", arg=before)
    page.close()
