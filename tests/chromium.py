"""The system's Chromium for tests of pages (apt install chromium).

Without it such tests are left out, unless LOOM_NOTHING_LEFT_OUT is set.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), "")
PATIENCE = 120_000
"""Milliseconds in which Chromium opens a page, also on a machine that is busy with other tests."""
needs_chromium = pytest.mark.skipif(
    not CHROMIUM and not os.environ.get("LOOM_NOTHING_LEFT_OUT"), reason="no Chromium here: apt install chromium"
)


@dataclass(frozen=True)
class Shown:
    """A page that Chromium shows, with the URLs that it asked for and the messages of its console."""

    page: Any
    """A page of playwright."""
    path: Path
    requests: list[str]
    complaints: list[str]


@contextmanager
def shown_in_chromium(path: Path) -> Iterator[Shown]:
    """Open a file in Chromium, without playwright leave the test out, and close the browser at the end."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = Shown(browser.new_page(), path, [], [])
        made.page.set_default_timeout(PATIENCE)
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("console", lambda message: made.complaints.append(message.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.goto(path.as_uri(), wait_until="networkidle")
        yield made
        browser.close()
