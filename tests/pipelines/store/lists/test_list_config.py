"""The columns of a list, whose configuration loads neither Arrow nor numpy."""

import subprocess
import sys

from corpusloom.pipelines.store.lists.list_config import ListConfig, PairListConfig


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
