"""Sidecar rows for the tests of statistics."""

import pyarrow as pa

from corpusloom.schemas import arrow
from corpusloom.schemas.records import Member, SidecarRow


def row(number: int) -> SidecarRow:
    """Return a sidecar row that depends on its number."""
    image = Member(field="jpg", offset=0, size=1, stored_sha256="x", width=100 + number, height=50 + 3 * number)
    text = Member(field="json", offset=0, size=1, stored_sha256="x")
    return SidecarRow(
        key=f"{number:032x}", url="u", page_url=f"http://www.host{number % 3}.example/{number}",
        text_length=number * 10, images=1, language=("en", None)[number % 2], license=("CC0", None)[number % 2],
        scores={"words": float(number)} if number else {}, members=(image, text),
        opt_out_signals=("noai=1", "tdm=2") if number == 0 else (),
    )  # fmt: skip


def table(*numbers: int) -> pa.Table:
    """Return the rows of some numbers as a table."""
    return arrow.to_table(SidecarRow, map(row, numbers))
