"""The columns of a list, whose configuration loads neither Arrow nor numpy."""

import subprocess
import sys

import pytest

from corpusloom.pipelines.store.lists.list_config import ListConfig, PairListConfig
from corpusloom.schemas.errors import ConfigError


def test_a_list_has_urls_and_no_captions_unless_a_column_is_named() -> None:
    assert ListConfig() == ListConfig(url_column="url", caption_column=None)


def test_the_configuration_of_a_list_imports_no_heavy_library() -> None:
    program = (
        "import sys, corpusloom.pipelines.store.lists.list_config; print({'pyarrow', 'numpy'} & sys.modules.keys())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


def test_the_url_is_read_before_the_caption() -> None:
    assert ListConfig(url_column="u", caption_column="c").names == ("u", "c")
    assert ListConfig().names == ("url",)


def test_kept_columns_come_last_and_each_is_read_once() -> None:
    config = PairListConfig(url_column="u", caption_column="c", keep_columns=("a", "u", "b", "a", "c"))
    assert config.names == ("u", "c", "a", "b")
    assert config.texts == ("u", "c")
    assert PairListConfig(keep_columns=("a",)).names == ("url", "a")


@pytest.mark.parametrize(
    ("given", "sign"), [(None, None), ("tab", "\t"), ("semicolon", ";"), ("pipe", "|"), ("~", "~")]
)
def test_a_delimiter_is_a_character_or_its_name(given: str | None, sign: str | None) -> None:
    assert ListConfig(delimiter=given).delimiter_sign == sign


@pytest.mark.parametrize("given", ["", "::", "\n", '"'])
def test_what_cannot_separate_cells_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="give one character, or one of comma, tab"):
        ListConfig(delimiter=given)


def test_names_of_columns_differ() -> None:
    with pytest.raises(ConfigError, match="names a column twice"):
        ListConfig(column_names=("url", "url"))
