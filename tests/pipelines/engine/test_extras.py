"""An extra that is missing is named before any work is done."""

import sys

import pytest

from corpusloom.pipelines.engine.extras import REPORT, require
from corpusloom.schemas.errors import ConfigError


def test_an_extra_that_is_installed_is_accepted_without_importing_it() -> None:
    sys.modules.pop("wave", None)
    require("sound", ("wave",), "loom hear")
    assert "wave" not in sys.modules
    require("report", REPORT, "--html")


def test_a_module_whose_package_is_missing_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"no_such_cloud\.dataflow is not installed"):
        require("dataflow", ("no_such_cloud.dataflow",), "--runner dataflow")


def test_the_first_missing_module_and_its_extra_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        require("report", ("json", "no_such_charts", "no_such_page"), "--html")
    assert str(caught.value) == "--html: no_such_charts is not installed (pip install 'corpusloom[report]')"
    assert caught.value.exit_code == 2
