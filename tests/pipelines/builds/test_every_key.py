"""Each key of a recipe and each field of a build changes the stated stages, and changes the built dataset.

A key or field without a row fails here. A row lists the other assignments with which the key has an effect. Where the
small build cannot show one, the row says why.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.recipes.keys import keys_of, override
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.store.list_config import ListConfig
from corpusloom.schemas import config as configs
from tests.pipelines.builds.small_corpus import SmallCorpus, small_corpus

READ = frozenset(("read", "select", "shards"))
"""Parts that change when the inputs are read again."""
MEASURED = frozenset(("measured", "select", "shards"))
"""Parts that change when stored records are measured again."""
BOTH = READ | MEASURED
SELECT = frozenset(("select", "shards"))
SHARDS = frozenset(("shards",))
NOTHING: frozenset[str] = frozenset()
HIGH, LOW = "1000000", "-1"


@dataclass(frozen=True)
class Row:
    """The effect of one key."""

    value: str
    stages: frozenset[str]
    beside: tuple[str, ...] = ()
    """Assignments that both builds have."""
    kind: str = "interleaved"
    unseen: str | None = None
    """Reason why the small build cannot show its effect."""


def thresholds(
    table: str, names: str, stages: frozenset[str], *beside: str, kind: str = "interleaved"
) -> dict[str, Row]:
    """Return rows of thresholds, each with a value that nothing passes."""
    values = {name: HIGH if name.startswith("min_") else LOW for name in names.split()}
    return {f"{table}.{name}": Row(value, stages, beside, kind) for name, value in values.items()}


LISTS = tuple(f"filters.lists.{name}=LIST" for name in ("bad_words", "flagged_words", "common_words"))
OBELICS = (
    "min_words max_words max_character_repetition max_word_repetition max_special_characters min_stop_words "
    "max_flagged_words min_punctuation max_spam_words min_common_words"
)
NOTE = "filters.boilerplate.max_notice_words=60"
LABEL = "filters.boilerplate.max_label_words=12"
RESIZE = ("images.resize=32", "images.format=jpg")
ONLY_MANIFEST = "it stands in the manifest alone"
C4 = "filters.c4.min_sentences=1"

ROWS: dict[str, Row] = {
    "name": Row("other", SHARDS, unseen=ONLY_MANIFEST),
    "kind": Row("pairs", BOTH, unseen="another kind has other records"),
    "description": Row("other", SHARDS, unseen=ONLY_MANIFEST),
    "filters.order": Row(
        '["quality"]', SELECT, ("filters.quality.min_words=1000000", "filters.language.min_score=2.0")
    ),
    "filters.language.languages": Row('["xx"]', MEASURED),
    "filters.language.min_score": Row("2.0", SELECT),
    **thresholds("filters.explicit", "max_share max_words", SELECT, *LISTS),
    **thresholds(
        "filters.repetition",
        "max_duplicate_lines max_duplicate_paragraphs max_duplicate_line_characters max_duplicate_paragraph_characters "
        "max_top_2_gram max_top_3_gram max_top_4_gram max_duplicate_5_gram max_duplicate_6_gram max_duplicate_7_gram "
        "max_duplicate_8_gram max_duplicate_9_gram max_duplicate_10_gram",
        SELECT,
    ),
    **thresholds(
        "filters.quality",
        "min_words max_words min_mean_word_length max_mean_word_length max_hash_ratio max_ellipsis_ratio "
        "max_bullet_lines max_ellipsis_lines min_alphabetic_words min_stop_words",
        SELECT,
    ),
    "filters.c4.terminal_punctuation": Row("false", MEASURED, (C4,)),
    "filters.c4.min_line_words": Row("1", MEASURED, (C4,)),
    "filters.c4.max_word_length": Row("20", MEASURED, (C4,)),
    "filters.c4.javascript": Row("false", MEASURED, (C4,)),
    "filters.c4.policy": Row("false", MEASURED, (C4,)),
    "filters.c4.citations": Row("false", MEASURED, (C4,)),
    **thresholds(
        "filters.c4",
        "min_sentences max_lorem_ipsum max_curly_brackets max_bad_words",
        SELECT,
        "filters.c4.policy=true",
        *LISTS,
    ),
    **thresholds(
        "filters.fineweb",
        "min_line_punctuation max_short_lines max_duplicate_characters max_new_lines_per_word",
        SELECT,
    ),
    **thresholds("filters.obelics.page", OBELICS, SELECT, "filters.obelics.paragraph.max_words=100000", *LISTS),
    **thresholds("filters.obelics.paragraph", OBELICS, READ, "filters.obelics.page.max_words=100000", *LISTS),
    "filters.obelics.min_paragraph_words_for_punctuation": Row(
        "1000", BOTH, ("filters.obelics.paragraph.min_punctuation=1.0",)
    ),
    "filters.boilerplate.max_notice_words": Row("60", READ, (LABEL,)),
    "filters.boilerplate.max_label_words": Row("12", READ, (NOTE,)),
    "filters.boilerplate.min_share_words": Row("0.8", READ, (NOTE,)),
    "filters.boilerplate.kinds": Row("[]", READ, (NOTE,)),
    "filters.lists.bad_words": Row("LIST", MEASURED),
    "filters.lists.flagged_words": Row("LIST", MEASURED),
    "filters.lists.common_words": Row("LIST", MEASURED),
    "filters.pii.email": Row("MASK", SHARDS),
    "filters.pii.ip_address": Row("MASK", SHARDS),
    "filters.pii.phone": Row("MASK", SHARDS),
    **thresholds("filters.captions", "min_words max_words max_text_images max_image_texts", SELECT, kind="pairs"),
    **thresholds(
        "filters.images", "min_side max_side max_aspect min_declared_side max_declared_side min_colour_range", SHARDS
    ),
    "filters.images.formats": Row('["webp"]', SHARDS),
    "filters.images.url_words": Row(
        '["pixel", "badge", "logo", "icon", "banner"]', SHARDS, unseen="no URL has such a word"
    ),
    "filters.images.max_url_count": Row("0", SHARDS),
    "filters.images.max_nsfw": Row("0.1", SHARDS, ("filters.images.nsfw_model=open_nsfw",)),
    "filters.images.nsfw_model": Row("open_nsfw", SHARDS, ("filters.images.max_nsfw=0.1",)),
    "dedup.exact_url": Row("true", SELECT),
    "dedup.exact_text": Row("loose", MEASURED),
    "dedup.minhash.shingle_words": Row("3", MEASURED, ("dedup.minhash.bands=14",)),
    "dedup.minhash.bands": Row("7", MEASURED, ("dedup.minhash.rows=8",)),
    "dedup.minhash.rows": Row("2", MEASURED, ("dedup.minhash.bands=14",)),
    "dedup.minhash.rng_seed": Row("2", MEASURED, ("dedup.minhash.bands=14",)),
    "dedup.scope": Row("crawl", MEASURED, ("dedup.exact_text=strict",)),
    "dedup.max_domain_paragraph": Row("1", MEASURED),
    "dedup.exact_image_set": Row("true", SELECT),
    "dedup.decontaminate": Row('["SET"]', SHARDS),
    "images.min_per_page": Row("100", SELECT),
    "images.max_per_page": Row("1", SHARDS),
    "images.once_per_page": Row("true", SHARDS),
    "images.drop_page_on_nsfw": Row(
        "true", SHARDS, ("filters.images.max_nsfw=0.1", "filters.images.nsfw_model=open_nsfw")
    ),
    "images.format": Row("webp", SHARDS),
    "images.resize": Row("32", SHARDS),
    "images.resize_mode": Row("border", SHARDS, RESIZE),
    "images.resize_only_if_bigger": Row("true", SHARDS, ("images.resize=500",)),
    "images.quality": Row("10", SHARDS, RESIZE),
    "honour.signals": Row("[]", READ),
    "honour.agents": Row('["CCBot"]', SHARDS, unseen="it is obeyed while images are fetched: test_host_files.py"),
    "honour.licenses": Row('["CC-BY-4.0"]', READ),
    "split.val": Row("0.5", SHARDS),
}

BUILD_FIELDS: dict[str, tuple[object, frozenset[str]]] = {
    "recipe": (None, NOTHING),  # the rows above
    "out": ("elsewhere", SHARDS),
    "work": ("elsewhere", NOTHING),  # a place: its stages are found by their fingerprints
    "store": ("elsewhere", SHARDS),  # its content counts
    "warcs": (("elsewhere",), NOTHING),  # the hashes of their content count, which are fixed here
    "from_pages": (True, NOTHING),  # how the inputs are found
    "verify_digests": (True, READ),
    "resolve_revisits": (True, READ),
    "fetch": (None, NOTHING),  # its outcomes are in the store
    "lists": (("a.csv",), READ),
    "columns": (ListConfig(url_column="other"), NOTHING),  # for lists alone: see below
    "from_img2dataset": (("folder",), READ),
    "shards": (4, SHARDS),
    "workers": (7, NOTHING),  # promise 2: the same bytes
    "lanes": (7, NOTHING),
    "blocklists": (("url=x",), NOTHING),  # outcomes are in the store
    "fetcher": ("img2dataset", NOTHING),
    "memory": (1 << 30, NOTHING),
    "passes": (3, NOTHING),
    "limit": (5, READ),
    "profile": (Profile(runner="portable"), NOTHING),
}
"""Another value of each field of a build, and the stages that it changes."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCorpus]:
    """Return the small web, extracted, with its images fetched."""
    with small_corpus(tmp_path_factory.mktemp("corpus")) as made:
        folder = made.web.folder
        (folder / "LIST").write_text("the\nboat\n")
        facts = next(iter(sha256 for _, sha256 in sorted(_image_hashes(made).items())))
        (folder / "SET").write_text(json.dumps({"benchmark": "exam", "item": "1", "sha256": facts}))
        (folder / "SET").rename(folder / "SET.jsonl")
        yield made


def _image_hashes(corpus: SmallCorpus) -> dict[str, str]:
    """Return URL -> sha256 of the images in the store."""
    from corpusloom.pipelines.store.images.store import ImageStore
    from corpusloom.schemas import identity

    index = ImageStore(str(corpus.web.folder / "store")).index()
    urls = {block.image.url for _, page in corpus.pages for block in page.blocks if block.image is not None}
    found = {url: index.find(identity.image_key(url)) for url in urls}
    return {url: record.sha256 for url, record in found.items() if record is not None and record.sha256 is not None}


def recipe_of(corpus: SmallCorpus, kind: str, assignments: tuple[str, ...]) -> Recipe:
    """Return a recipe with only these assignments."""
    folder = corpus.web.folder
    written = [item.replace("LIST", f"{folder}/LIST").replace("SET", f"{folder}/SET.jsonl") for item in assignments]
    return configs.build(Recipe, override(Recipe, {"name": "small", "kind": kind}, written))


def test_every_key_has_a_row() -> None:
    assert set(ROWS) == {key.path for key in keys_of(Recipe) if key.table is None}


def test_every_field_of_a_build_has_a_row() -> None:
    assert set(BUILD_FIELDS) == {item.name for item in dataclasses.fields(BuildConfig)}


@pytest.mark.parametrize("path", ROWS)
def test_a_key_changes_its_stages_and_what_is_built(corpus: SmallCorpus, path: str) -> None:
    row = ROWS[path]
    before = recipe_of(corpus, row.kind, row.beside)
    after = recipe_of(corpus, row.kind, (*row.beside, f"{path}={row.value}"))
    stages, changed = corpus.stages(before), corpus.stages(after)
    assert {name for name in stages if stages[name] != changed[name]} == row.stages
    if row.unseen is None:
        assert corpus.build(before) != corpus.build(after)


def test_the_same_recipe_builds_the_same(corpus: SmallCorpus) -> None:
    for kind in ("interleaved", "pairs"):
        assert corpus.build(recipe_of(corpus, kind, ())) == corpus.build(recipe_of(corpus, kind, ()))


@pytest.mark.parametrize("name", BUILD_FIELDS)
def test_a_field_of_a_build_changes_its_stages(corpus: SmallCorpus, name: str, tmp_path: Path) -> None:
    value, expected = BUILD_FIELDS[name]
    if value is None:
        return
    value = str(tmp_path / "x") if value == "elsewhere" else value
    recipe = recipe_of(corpus, "pairs" if name in ("lists", "from_img2dataset") else "interleaved", ())
    stages, changed = corpus.stages(recipe), corpus.stages(recipe, **{name: value})
    assert {part for part in stages if stages[part] != changed[part]} == expected


def test_columns_matter_where_lists_are_read(corpus: SmallCorpus) -> None:
    recipe, lists = recipe_of(corpus, "pairs", ()), ("a.csv",)
    stages = corpus.stages(recipe, lists=lists)
    changed = corpus.stages(recipe, lists=lists, columns=ListConfig(url_column="other"))
    assert {part for part in stages if stages[part] != changed[part]} == READ


def test_a_bound_that_is_strict_is_another_rule(corpus: SmallCorpus) -> None:
    plain, strict = (
        recipe_of(corpus, "interleaved", (f"filters.quality.min_words={value}",)) for value in ("9", "{above = 9}")
    )
    assert corpus.stages(plain)["select"] != corpus.stages(strict)["select"]
