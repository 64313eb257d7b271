"""The system's Chromium for tests of pages (apt install chromium).

Without it such tests are left out, unless LOOM_NOTHING_LEFT_OUT is set.
"""

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), "")
PATIENCE = 120_000
"""Milliseconds in which Chromium opens a page, also on a machine that is busy with other tests."""
needs_chromium = pytest.mark.skipif(
    not CHROMIUM and not os.environ.get("LOOM_NOTHING_LEFT_OUT"), reason="no Chromium here: apt install chromium"
)
