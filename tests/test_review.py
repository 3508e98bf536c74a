"""The review table: its logic without a browser, then all of it in a real JupyterLab in a real Chromium.
WHALEDO_SCREENSHOTS=folder keeps what the browser showed."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest

from whaledo.challenge import InputError
from whaledo.whale import review as R
from whaledo.whale.catalogue import Catalogue, decide, history, photos, rebuild

# ---- in a browser

NOTEBOOK = """from whaledo.whale.review import review
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


@contextmanager
def lab(folder):
    "A JupyterLab server of its own; its address."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    own = {f"{k}_DIR": str(folder/"jupyter"/k.lower()) for k in ("JUPYTER_CONFIG", "JUPYTER_RUNTIME", "JUPYTERLAB_SETTINGS",
                                                                 "JUPYTERLAB_WORKSPACES", "JUPYTER_DATA")}
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
        yield address
    finally:
        family = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        _, late = psutil.wait_procs([psutil.Process(server.pid), *family], 10)
        for process in late:
            process.kill()


def write_notebook(file, *cells):
    code = [dict(cell_type="code", id=f"cell{i}", execution_count=None, metadata={}, outputs=[], source=c)
            for i, c in enumerate(cells)]
    kernel = dict(kernelspec=dict(name="python3", display_name="Python 3", language="python"))
    file.write_text(json.dumps(dict(cells=code, metadata=kernel, nbformat=4, nbformat_minor=5)))


class Screen:
    "A notebook with the review table in a browser."
    def __init__(self, browser, address, notebook, theme="light", width=1280, height=860):
        self.page = browser.new_page(viewport=dict(width=width, height=height))
        self.page.goto(f"{address}/lab/tree/{notebook}")
        self.page.locator(".jp-Notebook .cm-content").first.wait_for(timeout=60_000)
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=60_000)
        if theme == "dark":
            self.command("apputils:change-theme", theme="JupyterLab Dark")
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
