"""A run that kept nothing ends with the commonest reasons and the key that would change them."""

import pytest

from corpusloom.pipelines.builds.nothing_kept import refuse_nothing, remedy_of
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.errors import NothingKeptError
from corpusloom.schemas.records import StageCounts

ALIGN, M3W = load_recipe("align"), load_recipe("m3w")


def counts(stage: str, unit: str, kept: int, **rejected: int) -> StageCounts:
    return StageCounts(stage=stage, unit=unit, records_in=kept + sum(rejected.values()), kept=kept, rejected=rejected)


def test_the_first_stage_that_kept_nothing_is_named_with_its_reasons() -> None:
    rows = [
        counts("extract", "record", 1_500, no_caption=3),
        counts("select", "pair", 0, too_few_caption_words=1_200, language=100, a=90, b=80, c=30),
        counts("shards", "pair", 0, never=1),
    ]
    with pytest.raises(NothingKeptError) as caught:
        refuse_nothing(rows, "data/align", ALIGN)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "data/align: nothing was kept: stage select left out all 1,500 records of unit pair: "
        "too_few_caption_words 1,200, language 100, a 90 and 2 more reasons (filters.captions.min_words is 3: "
        "change it with --set filters.captions.min_words=..., or turn it off with --set filters.captions.min_words=off)"
    )


def test_a_run_that_kept_something_or_had_nothing_to_do_is_not_refused() -> None:
    refuse_nothing([counts("extract", "record", 1, no_url=5), counts("extract", "pair", 0)], "x")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("too_few_words", "filters.quality.min_words is 50"),
        ("image_too_small", "filters.images.min_side is 64"),
        ("language", "filters.language.languages is en"),
        ("no_image", "images.min_per_page is 1"),
        ("robots_disallowed", "the owners of these sites refuse it"),
        ("opt_out_ai_txt", "the owners of these sites refuse it"),
        ("http_404", "check the URLs"),
        ("no_caption", "--caption-column"),
        ("bad_hash", "--verify-hash COLUMN:md5"),
        ("no_face_boxes", "images.face_boxes names a column"),
        ("too_many_cells", "quote cells"),
        ("dns_failed", "check the network"),
        ("blocked_domain", "--blocklist"),
        ("something_else", "loom why"),
    ],
)
def test_each_reason_has_a_remedy(reason: str, remedy: str) -> None:
    assert remedy in remedy_of(reason, M3W)


def test_without_a_recipe_or_for_a_derived_one_no_key_is_named() -> None:
    assert "--set" not in remedy_of("too_few_words") + remedy_of("too_few_words", load_recipe("regions"))


def test_a_scrape_is_not_told_to_fetch_images_again() -> None:
    assert (
        remedy_of("connect_failed", stage="scrape")
        == "check the network and the seeds, then scrape into another folder"
    )
    assert "--retry dead" in remedy_of("connect_failed", stage="images")
    assert "--allow-addresses" in remedy_of("port_not_allowed", stage="scrape")
