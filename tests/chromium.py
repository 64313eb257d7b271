"""The system's Chromium for tests of pages (apt install chromium).

Without it such tests are left out, unless LOOM_NOTHING_LEFT_OUT is set.
"""

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), "")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM and not os.environ.get("LOOM_NOTHING_LEFT_OUT"), reason="no Chromium here: apt install chromium"
)
