"""Optional dependencies: a command asks for the extra it needs before it does any work."""

import importlib.util

from corpusloom.schemas.errors import ConfigError

REPORT = ("altair", "jinja2", "vl_convert")
"""Modules of the extra `report`: charts and the page around them."""

TRAIN = ("torch",)
"""Module of the extra `train` that every trainer needs."""


def require(extra: str, modules: tuple[str, ...], where: str) -> None:
    """Raise a ConfigError that names the extra unless all its modules can be found; none is imported."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(f"{module} is not installed", where=where, remedy=f"pip install 'corpusloom[{extra}]'")
