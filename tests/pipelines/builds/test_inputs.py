"""Inputs of a build: equal files are read once, all inputs are of one type, and lists need a recipe of pairs."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.builds import inputs
from corpusloom.pipelines.builds.inputs import check_read, hashed, inputs_of, warc_inputs
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.stages import StageReport
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import StageCounts

WITH_CAPTIONS = ListConfig(caption_column="text")


def test_equal_files_are_read_once_under_the_first_path(tmp_path: Path) -> None:
    for name, text in (("b.warc", "one"), ("a.warc", "one"), ("c.warc", "two"), ("d.txt", "three")):
        (tmp_path / name).write_text(text)
    assert {Path(entry.name).name for entry in warc_inputs((str(tmp_path),))} == {"a.warc", "c.warc"}
    found = warc_inputs((str(tmp_path / "*.warc"),))
    assert [entry.sha256 for entry in found] == sorted(hashed(str(path) for path in tmp_path.glob("*.warc")))
    assert {entry.bytes for entry in found} == {3}


def test_a_build_without_input_has_another_error_than_one_without_warcs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give WARCs as --warc"):
        warc_inputs(())
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="holds no WARC"):
        warc_inputs((str(tmp_path),))


def test_a_build_has_inputs_of_one_type() -> None:
    with pytest.raises(ConfigError, match="one kind of input"):
        inputs_of(load_recipe("align"), warcs=("a",), lists=("b.csv",), columns=WITH_CAPTIONS)


def test_lists_need_a_recipe_of_pairs_and_a_column_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("url,text\nhttp://a/,a cat\n")
    with pytest.raises(ConfigError, match="m3w is made of web pages"):
        inputs_of(load_recipe("m3w"), warcs=(), lists=(str(path),), columns=WITH_CAPTIONS)
    with pytest.raises(ConfigError, match="--caption-column"):
        inputs_of(load_recipe("align"), warcs=(), lists=(str(path),), columns=ListConfig())
    found = inputs_of(load_recipe("align"), warcs=(), lists=(str(path),), columns=WITH_CAPTIONS)
    assert [entry.name for entry in found] == [str(path)]


def test_columns_are_checked_before_an_input_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "hashed", lambda paths: pytest.fail("a list was hashed"))
    pq.write_table(pa.table({"url": ["http://a/"], "text": [["a cat"]]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: column 'text' holds lists"):
        inputs_of(load_recipe("align"), warcs=(), lists=(str(tmp_path / "*.parquet"),), columns=WITH_CAPTIONS)
    (tmp_path / "laion").mkdir()
    pq.write_table(pa.table({"url": ["http://a/"], "caption": [7]}), tmp_path / "laion" / "00000.parquet")
    with pytest.raises(InputError, match=r"00000\.parquet: column 'caption' holds values of type int64"):
        inputs_of(load_recipe("align"), warcs=(), folders=(str(tmp_path / "laion"),), columns=ListConfig())


def test_a_list_of_another_encoding_is_named_in_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_bytes("url,text\nhttp://a/,une fenêtre\n".encode("cp1252"))
    inputs_of(load_recipe("align"), warcs=(), lists=(str(tmp_path / "a.csv"),), columns=WITH_CAPTIONS)
    assert "read as Windows-1252" in caplog.text


@pytest.mark.parametrize(("truncated", "readable"), [(0, True), (2, True), (3, False)])
def test_inputs_without_a_single_readable_record_are_an_error(truncated: int, readable: bool) -> None:
    row = StageCounts(
        stage="extract", unit="record", records_in=3, kept=3 - truncated, dead={"truncated_warc": truncated}
    )
    report = StageReport(name="extract", counts=(row,), facts={})
    if readable:
        check_read(report, ("a.warc",), warcs=True)
        return
    with pytest.raises(InputError, match=r"a\.warc: no record can be read"):
        check_read(report, ("a.warc",), warcs=True)


@pytest.mark.parametrize("name", ["x.warc.wet.gz", "x.wet", "x.warc.wat.gz", "x.wat"])
def test_a_file_of_texts_that_is_named_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "a.warc").write_text("x")
    assert len(warc_inputs((str(tmp_path),))) == 1  # a folder may hold others
    with pytest.raises(InputError, match="is a WET or WAT file"):
        warc_inputs((str(tmp_path / "a.warc"), str(tmp_path / name)))
    (tmp_path / "all.paths").write_text(f"a.warc\n{name}\n")
    with pytest.raises(InputError, match="is a WET or WAT file"):
        warc_inputs((str(tmp_path / "all.paths"),))


def test_a_named_file_that_is_no_warc_is_refused(tmp_path: Path) -> None:
    for name in ("a.warc", "notes.txt"):
        (tmp_path / name).write_text("x")
    assert len(warc_inputs((str(tmp_path / "*"),))) == 1
    with pytest.raises(InputError, match=r"notes\.txt: holds no WARC"):
        warc_inputs((str(tmp_path / "a.warc"), str(tmp_path / "notes.txt")))


@pytest.mark.parametrize(("records", "empty", "readable"), [(3, 2, True), (2, 2, False)])
def test_inputs_of_requests_only_are_an_error(records: int, empty: int, readable: bool) -> None:
    row = StageCounts(
        stage="extract", unit="record", records_in=records, kept=records - empty, rejected={"no_responses": empty}
    )
    report = StageReport(name="extract", counts=(row,), facts={})
    if readable:
        check_read(report, ("a.warc",), warcs=True)
        return
    with pytest.raises(InputError, match=r"a\.warc: holds no response"):
        check_read(report, ("a.warc",), warcs=True)
