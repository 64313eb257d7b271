"""Records: their defaults are part of the format, and the counts of a stage add up."""

import dataclasses
import inspect

import pytest

from corpusloom.schemas import records
from corpusloom.schemas.records import Block, Head, ImageRecord, ImageRef, Page, SidecarRow, StageCounts

CLASSES = [cls for cls in vars(records).values() if isinstance(cls, type) and cls.__module__ == records.__name__]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_record_is_frozen_and_made_by_names(cls: type) -> None:
    parameters = cls.__dataclass_params__  # type: ignore[attr-defined]
    assert parameters.frozen
    assert "__slots__" in vars(cls)
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(cls).parameters.values())


def defaults(cls: type) -> dict[str, object]:
    found = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            found[item.name] = item.default
        elif item.default_factory is not dataclasses.MISSING:
            found[item.name] = item.default_factory()
    return found


def test_defaults_are_those_of_the_format() -> None:
    assert defaults(ImageRef) == {
        "alt_text": None, "caption": None, "title": None, "image_title": None, "link": None, "declared_width": None,
        "declared_height": None, "source": "src",
    }  # fmt: skip
    assert defaults(Block) == {"text": None, "image": None, "level": None}
    assert defaults(Page) == {
        "parent": "", "language": None, "title": None, "blocks": (), "meta_images": (), "scores": {}, "signals": (),
        "license": None,
    }  # fmt: skip
    assert defaults(Head) == {
        "rank": "", "mixture": "", "text_key": "", "image_key": "", "images": (), "bands": (), "paragraphs": (),
        "tokens": (), "entries": (), "frequent_paragraphs": (), "scores": {}, "outcome": "kept", "reason": None,
        "measured": None, "threshold": None,
    }  # fmt: skip
    assert defaults(SidecarRow) == {
        "status": "success", "page_url": None, "caption": None, "text_length": 0, "images": 0, "width": None,
        "height": None, "sha256": None, "stored_sha256": None, "language": None, "split": "train", "license": None,
        "opt_out_signals": (), "scores": {}, "members": (),
    }  # fmt: skip
    assert defaults(ImageRecord)["final"] is True
    assert {name: value for name, value in defaults(ImageRecord).items() if value not in (None, ())} == {"final": True}


def test_a_mapping_is_not_shared_between_records() -> None:
    for cls in (Page, Head, SidecarRow, StageCounts):
        for name, value in defaults(cls).items():
            if isinstance(value, dict):
                (item,) = (item for item in dataclasses.fields(cls) if item.name == name)
                assert item.default_factory is dict


@pytest.mark.parametrize(("records_in", "unaccounted"), [(10, 0), (12, 2), (9, -1)])
def test_records_without_an_outcome_are_counted(records_in: int, unaccounted: int) -> None:
    row = StageCounts(
        stage="s", unit="u", records_in=records_in, kept=3, rejected={"a": 1, "b": 2}, dead={"c": 3, "d": 1}
    )
    assert row.unaccounted == unaccounted


def test_reasons_come_in_order_of_number_then_name() -> None:
    row = StageCounts(stage="s", unit="u", records_in=0, kept=0, rejected={"b": 2, "a": 2, "z": 9}, dead={"c": 5})
    assert row.reasons == [("z", 9), ("c", 5), ("a", 2), ("b", 2)]


def test_every_table_record_has_a_version() -> None:
    without = {cls.__name__ for cls in CLASSES if not hasattr(cls, "VERSION")}
    assert without == {"ImageRef", "Block", "Signal", "Member", "StageCounts", "FileEntry", "ShardEntry"}
    versions = {cls.__name__: cls.VERSION for cls in CLASSES if hasattr(cls, "VERSION")}
    assert {name: version for name, version in versions.items() if version != 1} == {
        "DetectorOutput": 2, "Head": 2, "ImageFacts": 2, "ImageRecord": 2, "Page": 2, "Pair": 5, "SidecarRow": 2,
    }  # fmt: skip
