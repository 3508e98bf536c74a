"""The site: pages made from notebooks and docments, then the built HTML: every link, nothing fetched from elsewhere, search, both themes.
WHALEDO_SCREENSHOTS=folder keeps what the browser showed."""
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT/"docs"))
import make_pages as site # noqa: E402


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    "All pages as Markdown."
    folder = tmp_path_factory.mktemp("site")/"pages"
    site.make_pages(folder)
    return folder


@pytest.fixture(scope="module")
def built(pages):
    "The folder of the site."
    made = subprocess.run(["make", "-C", str(ROOT), ".venv-docs/ready"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the packages of docs/requirements.txt cannot be had: {made.stderr[-200:]}")
    done = subprocess.run([ROOT/".venv-docs/bin/mkdocs", "build", "-q", "--strict", "-f", pages.parent/"mkdocs.yml"],
                          capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    return pages.parent/"site"


def test_links_lead_from_page_to_page():
    pages = site.staged()
    moved = site.relink("[a](whale_nbs/40_catalogue.ipynb#one-file) ![b](docs/1_survey.png) [c](https://x.example/)", "README.md",
                        "index.md", pages, pictures := set())
    assert "[a](whale_nbs/40_catalogue.md#one-file)" in moved and "![b](1_survey.png)" in moved and "(https://x.example/)" in moved
    assert pictures == {"docs/1_survey.png"}
    assert "(../index.md)" in site.relink("[a](../../README.md)", "docs/tutorials/biologist.md", "tutorials/biologist.md", pages, set())


def test_a_link_to_nothing_is_refused():
    with pytest.raises(site.BadLink, match="README.md: links to nowhere.md"):
        site.relink("[a](nowhere.md)", "README.md", "index.md", site.staged(), set())


def test_links_in_code_stay():
    text = "```python\nf(a)[b](c)\n```\n"
    assert site.relink(text, "README.md", "index.md", site.staged(), set()) == text


def test_a_notebook_is_shown_as_it_was_committed(pages):
    text = (pages/"whale_nbs/04_viewpoints_and_dates.md").read_text()
    assert "#| export" not in text and "default_exp" not in text and "def plot_calendar(" in text
    pictures = re.findall(r"!\[(.*?)\]\((\S+?)\)", text)
    shown = [o for c in nbformat.read(ROOT/"whale_nbs/04_viewpoints_and_dates.ipynb", 4).cells for o in c.get("outputs", [])
             if "image/png" in o.get("data", {})]
    assert len(pictures) == len(shown) > 5
    assert all(words and (pages/"whale_nbs"/file).stat().st_size for words, file in pictures)


def test_every_public_name_has_its_comments(pages):
    missing = []
    for _, module in site.modules():
        text = (pages/f"api/{module}.md").read_text()
        loaded = sys.modules[module]
        missing += [f"{module}.{n}" for n in loaded.__all__ if hasattr(loaded, n) and f"{{ #{n} " not in text and f"| `{n}` |" not in text]
    assert not missing
    text = (pages/"api/whaledo.whale.catalogue.store.md").read_text()
    assert "| `wait` | float | 10 | seconds to wait for another writer |" in text
    assert "| *returns* | int |  | its number |" in text


def test_figures_are_those_of_the_rows(pages):
    figure = dict(file="nyala_exam.csv", where={"method": "RECIPE=small"}, said="")
    assert f"{site.pick(figure)['mAP']:.3f}" == "0.454" and "**0.4538 (0.3794 to 0.5258); first" in (pages/"figures.md").read_text()
    five = dict(file="confidence.csv", where={"fit": "similarity"}, said="ECE")
    assert site.pick(five | dict(over="seed"))["n"] == 5
    with pytest.raises(ValueError, match="5 rows"):
        site.pick(five)
    with pytest.raises(ValueError, match="0 rows"):
        site.pick(figure | dict(where={"method": "nobody's"}))


class Links(HTMLParser):
    "What a page links to, fetches, and can be linked at."

    def __init__(self, text):
        super().__init__()
        self.links = []
        self.fetched = []
        self.marks = {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.marks |= {found.get("id"), found.get("name")}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in ("img", "script") and found.get("src"):
            self.fetched.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preconnect"):
            self.fetched.append(found["href"])


def broken(folder, read):
    "(page, link) for what leads nowhere."
    for page, found in read.items():
        for link in found.links + found.fetched:
            target, _, mark = unquote(link).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (page.parent/target).resolve() if target else page
            if not file.exists() or file in read and mark not in read[file].marks:
                yield str(page.relative_to(folder)), link


def read_site(folder):
    return {p: Links(p.read_text()) for p in folder.rglob("*.html") if p.name != "404.html"} # that one has absolute links


def test_no_link_is_broken_and_nothing_comes_from_elsewhere(built):
    read = read_site(built)
    assert len(read) > 130
    assert not [*broken(built, read)]
    assert not [(p.name, f) for p, found in read.items() for f in found.fetched if re.match("[a-z]+:|//", f)]
    assert not [p.name for p in built.rglob("*.css") if re.search(r"url\(['\"]?(https?:)?//", p.read_text())]


def test_the_checker_sees_a_broken_link(tmp_path):
    (tmp_path/"a.html").write_text('<a href="b.html#here">x</a><a href="b.html#there">y</a><img src="c.png">')
    (tmp_path/"b.html").write_text('<p id="here">')
    assert [*broken(tmp_path, read_site(tmp_path))] == [("a.html", "b.html#there"), ("a.html", "c.png")]


def test_formulas_are_drawn_by_the_browser_itself(built):
    text = (built/"whale_nbs/13_inference.html").read_text()
    assert "<math" in text and "arithmatex" not in text and "MathJax" not in text


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no Chromium here; install the package chromium (apt-get install chromium)")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def asked_elsewhere(page):
    "A list that fills with what a page asks of other machines."
    asked = []
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else asked.append(r.url))
    return asked


def keep(page, name):
    if folder := os.environ.get("WHALEDO_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder)/f"site_{name}.png"))


@pytest.mark.parametrize("scheme, bright", [("light", True), ("dark", False)])
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_in_both_themes_without_a_network(chromium, built, scheme, bright, width):
    page = chromium.new_context(viewport=dict(width=width, height=900), color_scheme=scheme).new_page()
    asked = asked_elsewhere(page)
    for name in ("index", "figures", "glossary", "tutorials/biologist", "whale_nbs/04_viewpoints_and_dates", "api/whaledo.files"):
        page.goto(f"{built.as_uri()}/{name}.html")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", colour)[:3])) > 380) is bright
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        keep(page, f"{name.replace('/', '_')}_{scheme}_{width}")
    assert not asked
    page.context.close()


def test_search_finds_a_function_without_a_network(chromium, built):
    page = chromium.new_page(viewport=dict(width=1280, height=900))
    asked = asked_elsewhere(page)
    page.goto(f"{built.as_uri()}/index.html")
    page.click(".md-search__input")
    page.keyboard.type("append_decision", delay=30)
    page.wait_for_selector(".md-search-result__link[href*='catalogue.store.html']", timeout=30_000)
    keep(page, "search")
    assert not asked
    page.close()
