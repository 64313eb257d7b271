"""Makes Python environments for other readers and loaders, each in its own folder, and keeps them for later runs."""

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".interop"

TORCHVISION = """
import sys, torch
try:
    import torchvision
except RuntimeError:
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]
    _lib = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms", "roi_align", "qroi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward",
                  "ps_roi_align", "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward", "deform_conv2d",
                  "_deform_conv2d_backward"):
        _lib.define(_name + "(Tensor x) -> Tensor")
    import torchvision
"""
"""Imports torchvision also where torch is built for CPUs only: its operators cannot be loaded then, and a plain import
ends with "operator torchvision::nms does not exist", although nobody here uses them."""


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with these variables, without the path of our own packages."""
    return {name: value for name, value in {**os.environ, **more}.items() if name != "PYTHONPATH"}


def python_of(name: str, requirements: Sequence[str]) -> str:
    """Return the Python of an environment; make it if it is missing or was made for other packages."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    done = folder / ".installed"
    wanted = "\n".join(requirements)
    if not done.exists() or done.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *requirements], check=True)
        done.write_text(wanted)
    return str(python)
