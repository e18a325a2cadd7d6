"""Recordings to be watched by tests, and a headless browser to watch them in.

Needs a test runner only for its mark.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from swarmfield.replay_page import Recording

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")


def skirmish(instants: int = 12, bodies: int = 9, seed: int = 0, **changes) -> Recording:
    """Bodies that wander on a grid of 20 x 10 cells, some 2x2, some dying, in two teams."""
    generator = np.random.default_rng(seed)
    alive = np.cumsum(generator.random((instants, bodies)) < 0.05, axis=0) == 0
    fields = {
        "title": "Red & <blue> </script>",
        "extent": (20.0, 10.0),
        "team_names": ("red", "blue"),
        "team_of": np.arange(bodies) % 2,
        "size": 1 + np.arange(bodies) % 2,
        "position": generator.integers(0, (19, 9), (instants, bodies, 2)),
        "alive": alive,
        "level": generator.integers(0, 256, (instants, bodies)) / 255,
        "reward": generator.normal(size=(instants, 2)).astype(np.float32),
        "walls": generator.random((10, 20)) < 0.1,
        "group": generator.integers(-1, 4, (instants, bodies)),
    }
    return Recording(**{**fields, **changes})


def browse(page: Path, tmp_path: Path, script: str = "", fragment: str = "") -> dict:
    """Open a page, run a script once it has settled, and return what it says and the page's state.

    The script's `report` object comes back; `settle()` waits until a frame has been drawn.
    """
    # Frames come from a timer: under virtual time headless Chromium may draw none of its own.
    probe = f"""<script>
      globalThis.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);
      const settle = () => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(done)));
      const press = (key, options = {{}}) => (document.activeElement ?? document.body)
        .dispatchEvent(new KeyboardEvent("keydown", {{ key, bubbles: true, ...options }}));
      const click = (id) => document.getElementById(id).click();
      const text = (selector) => document.querySelector(selector).textContent.trim();
      const state = document.documentElement.dataset;
      const errors = [];
      addEventListener("error", (event) => errors.push(event.message));
      addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
      (async () => {{
        while (state.state === "loading") await settle();
        const report = {{}};
        try {{
          await (async () => {{ {script} }})();
        }} catch (error) {{ errors.push(String(error)); }}
        const output = document.createElement("pre");
        output.id = "report";
        output.textContent = JSON.stringify({{ ...report, errors, ...state }});
        document.body.append(output);
      }})();
    </script>"""
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("<noscript>", probe + "<noscript>"))
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,900"),
        *("--virtual-time-budget=20000", "--dump-dom", f"{driven.as_uri()}{fragment}"),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="report">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
