"""Funnels are printed with their commonest reasons, published ones with shares of the previous step."""

from benchmarks.funnel import FunnelConfig, line, main, published
from corpusloom.schemas.records import StageCounts


def test_a_line_names_the_commonest_reasons() -> None:
    row = StageCounts(
        stage="select", unit="page", records_in=10, kept=4, rejected={"language": 3, "no_image": 1}, dead={"x": 2}
    )
    assert line(row).split() == [*["select", "page", "10", "4", "40.0%"], "language", "3,", "x", "2,", "no_image", "1"]


def test_published_shares_are_of_the_step_before() -> None:
    obelics = published("OBELICS")
    assert "36.4%" in obelics[1]
    assert obelics[0].endswith("41,200,000,000" + " " * 8)


def test_without_datasets_the_published_funnels_are_printed() -> None:
    assert main(FunnelConfig()) == 0
