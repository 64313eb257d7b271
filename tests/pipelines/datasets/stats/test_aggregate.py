"""Partials add up to what one pass over all rows gives; quantiles are within 1 %."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.datasets.stats.aggregate import Aggregate, LogHistogram, of_rows
from corpusloom.schemas import arrow
from corpusloom.schemas.records import Member, SidecarRow


def row(number: int) -> SidecarRow:
    """Return a sidecar row."""
    member = Member(field="jpg", offset=0, size=1, stored_sha256="x", width=100 + number, height=50 + 3 * number)
    return SidecarRow(
        key=f"{number:032x}", url="u", page_url=f"http://host{number % 3}.example/{number}", text_length=number * 10,
        images=1, language=("en", None)[number % 2], scores={"words": float(number)}, members=(member,),
        opt_out_signals=("noai=1",) if number == 0 else (),
    )  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(0, 30))
def test_two_parts_add_up_to_the_whole(count: int, cut: int) -> None:
    rows = [row(number) for number in range(count)]
    whole = of_rows(arrow.to_table(SidecarRow, rows))
    parts = [rows[:cut], rows[cut:]]
    summed = sum((of_rows(arrow.to_table(SidecarRow, part)) for part in parts if part), Aggregate())
    assert summed.samples == whole.samples == count
    assert summed.domains == whole.domains
    assert summed.languages == whole.languages
    for name, spread in whole.spreads.items():
        assert spread.count == summed.spreads[name].count
        assert np.array_equal(spread.bins, summed.spreads[name].bins)
    assert whole.opt_outs == {"noai": 1}


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=300))
def test_quantiles_are_within_one_percent(values: list[float]) -> None:
    spread = LogHistogram.of(np.array(values))
    for share in (0.05, 0.5, 0.95):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert abs(spread.quantile(share) - exact) <= 0.0102 * exact
    assert sum(count for _, _, count in spread.histogram()) == len(values)
    assert spread.summary()["max"] == max(values)


def test_nothing_is_nothing() -> None:
    assert LogHistogram.of(np.array([])).summary() == {}
    assert LogHistogram.of(np.array([np.nan])).histogram() == ()
