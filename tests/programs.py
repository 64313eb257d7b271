"""Programs that some tests need: left out with a reason where they are missing, never where nothing may be left out."""

import os
import shutil

import pytest


def require(*names: str) -> None:
    """Skip the test when a program is missing; fail where LOOM_NOTHING_LEFT_OUT says that all must be there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing and os.environ.get("LOOM_NOTHING_LEFT_OUT"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
