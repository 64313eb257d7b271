"""Image rules of the four recipes at their bounds."""

import pytest

from corpusloom.pipelines.filters.image_rules import (
    FORMATS,
    ImageConfig,
    measure_image,
    measure_url,
    rules,
)
from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageRef
from corpusloom.schemas.verdicts import Above, Below, Kept, Rejected, decide
from tests.pipelines.filters import published

M3W, ALIGN, OBELICS = (filters.images for filters in (published.M3W, published.ALIGN, published.OBELICS))


def facts(width: int = 300, height: int = 300, **changes: object) -> ImageFacts:
    values = {
        "sha256": "0" * 64, "width": width, "height": height, "format": "jpg", "size": 1, "dhash": "", "phash": "",
        "grid": b"", "gray_std": 50.0, "colour_range": 200.0,
    }  # fmt: skip
    return ImageFacts(**{**values, **changes})  # type: ignore[arg-type]


def reason(config: ImageConfig, found: ImageFacts, ref: ImageRef | None = None) -> str | None:
    verdict = decide(measure_image(ref or ImageRef(url="http://a/b.jpg"), facts=found), rules(config))
    return verdict.reason if isinstance(verdict, Rejected) else None


@pytest.mark.parametrize(
    ("config", "width", "height", "expected"),
    [
        (M3W, 64, 64, None),
        (M3W, 63, 100, "image_too_small"),
        (M3W, 100, 63, "image_too_small"),
        (M3W, 300, 100, None),
        (M3W, 301, 100, "image_aspect"),
        (M3W, 100, 301, "image_aspect"),
        (ALIGN, 200, 300, "image_too_small"),
        (ALIGN, 201, 300, None),
        (ALIGN, 603, 201, "image_aspect"),
        (ALIGN, 602, 201, None),
        (OBELICS, 150, 300, None),
        (OBELICS, 150, 301, "image_aspect"),
        (OBELICS, 20_001, 20_000, "image_too_large"),
    ],
)
def test_each_size_and_aspect_has_its_reason(
    config: ImageConfig, width: int, height: int, expected: str | None
) -> None:
    assert reason(config, facts(width, height)) == expected


def test_one_colour_formats_and_model_scores_are_judged() -> None:
    assert reason(M3W, facts(colour_range=0.0)) == "single_colour"
    assert reason(M3W, facts(colour_range=8.0)) is None
    assert reason(ImageConfig(formats=("jpg",)), facts(format="png")) == "image_format"
    assert reason(ImageConfig(formats=("jpg",)), facts(format="JPEG")) is None
    assert reason(M3W, facts(format="jxl")) == "image_format"
    assert reason(ImageConfig(max_nsfw=0.1), facts(model_scores={"nsfw": 0.2})) == "nsfw"
    assert reason(ImageConfig(max_nsfw=0.1), facts()) is None


def test_declared_sizes_and_url_words_are_judged() -> None:
    declared = ImageRef(url="http://a/b.jpg", declared_width=149)
    assert reason(OBELICS, facts(), declared) == "declared_too_small"
    assert reason(OBELICS, facts(), ImageRef(url="http://a/LOGO.jpg")) == "url_word_logo"
    assert reason(M3W, facts(), ImageRef(url="http://a/logo.jpg")) is None


def test_an_undecodable_image_has_no_colour() -> None:
    assert "colour_range" not in measure_image(None, facts=facts(error="truncated", colour_range=0.0))


def test_sizes_come_from_the_header_before_facts_are_known() -> None:
    record = ImageRecord(key="k", url="u", outcome="kept", width=50, height=100, format="png")
    scores = measure_image(None, record)
    assert scores == {"image_min_side": 50, "image_max_side": 100, "image_aspect": 2, "format_png": 1}
    assert decide(scores, rules(M3W)) == Rejected("image_too_small", 50, 64)
    assert decide(measure_image(ImageRef(url="u")), rules(M3W)) == Kept()


def test_url_words_stand_anywhere() -> None:
    assert measure_url("https://cdn/x/Favicon-logo.png") == {"url_word_icon": 1.0, "url_word_logo": 1.0}


def test_other_formats_are_known_as_other() -> None:
    assert measure_image(None, facts=facts(format="weird"))["format_other"] == 1.0
    assert "other" in FORMATS


def test_without_thresholds_every_image_passes() -> None:
    assert reason(ImageConfig(), facts(1, 900, format="ico", colour_range=0.0, model_scores={"nsfw": 1.0})) is None


@pytest.mark.parametrize(
    ("plain", "strict", "width", "height"),
    [
        (ImageConfig(min_side=200), ImageConfig(min_side=Above(above=200)), 200, 300),
        (ImageConfig(max_side=300), ImageConfig(max_side=Below(below=300)), 200, 300),
        (ImageConfig(max_aspect=2.0), ImageConfig(max_aspect=Below(below=2.0)), 200, 400),
    ],
)
def test_a_value_equal_to_a_bound_fails_where_the_bound_is_strict(
    plain: ImageConfig, strict: ImageConfig, width: int, height: int
) -> None:
    assert reason(plain, facts(width, height)) is None
    assert reason(strict, facts(width, height)) is not None
