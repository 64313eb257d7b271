"""The order of a TSV's columns: published, named by a header, or given; what lacks a column is refused."""

import pytest

from corpusloom.pipelines.stages.regions.tsv.columns import column_order
from corpusloom.schemas.errors import ConfigError

W_FIRST, H_FIRST = ["1", "640", "480", "2", "b", "f"], ["1", "480", "640", *"0000", "2", "b", "f"]


def as_line(cells: list[str]) -> bytes:
    return "\t".join(cells).encode() + b"\r\n"


@pytest.mark.parametrize(
    "cells", [W_FIRST, [*W_FIRST, "p"], H_FIRST, [*H_FIRST, "p"]], ids=["bottom-up", "vilbert", "lxmert", "lxmert+"]
)
def test_the_published_orders_are_known_by_their_number_of_columns(cells: list[str]) -> None:
    order, found = column_order(as_line(cells), (), "a.tsv"), [cell.encode() for cell in cells]
    names = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
    assert [order.cell(found, name).decode() for name in names] == ["1", "640", "480", "2", "b", "f"]
    assert order.has("cls_prob") == (cells[-1] == "p")
    assert order.has("objects_conf") == (len(cells) >= 10)
    assert not order.header


def test_a_header_and_given_names_decide_before_the_number_of_columns() -> None:
    names = ["img_id", "img_h", "img_w", "num_boxes", "features", "boxes"]
    by_header = column_order(as_line(names), (), "a.tsv")
    assert by_header.header
    given = column_order(as_line(W_FIRST), names, "a.tsv")
    assert not given.header
    cells = [b"1", b"480", b"640", b"2", b"f", b"b"]
    for order in (by_header, given):
        assert (order.cell(cells, "image_w"), order.cell(cells, "boxes")) == (b"640", b"b")


@pytest.mark.parametrize(
    ("cells", "given", "message"),
    [
        (["1", "2", "3"], (), "has 3 columns separated by tabs; the published orders have 6, 7, 10, 11"),
        (W_FIRST, ("image_id", "boxes"), "has 6 columns, and 2 are named"),
        (W_FIRST, ("image_id", "image_w", "image_w", "num_boxes", "boxes", "features"), "two columns image_w"),
        (["img_id", "img_w", "num_boxes", "boxes", "features"], (), "no column image_h"),
    ],
)
def test_an_unknown_order_is_refused_with_the_way_to_name_it(
    cells: list[str], given: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"a.tsv: {message}.*regions.tsv_columns="):
        column_order(as_line(cells), given, "a.tsv")
