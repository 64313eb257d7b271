"""Requires system programs for a test: it is skipped if one is missing, and fails in CI."""

import os
import shutil

import pytest


def require(*names: str) -> None:
    """Skip the test when a program is missing; fail when LOOM_NOTHING_LEFT_OUT is set, as it is in CI."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing and os.environ.get("LOOM_NOTHING_LEFT_OUT"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
