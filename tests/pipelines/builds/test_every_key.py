"""Each key of a recipe and each field of a build changes the stated stages, and changes the built dataset.

A threshold of a text filter has a row by default: it changes the decisions, and the test picks a value that rejects a
page of the small corpus. Any other key or field without a row fails here. A row lists the other assignments with which
the key has an effect. Where the small build cannot show one, the row says why.
"""

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.filters.pairs.conceptual import taggers
from corpusloom.pipelines.recipes.keys import keys_of, override
from corpusloom.pipelines.recipes.recipe import Clips, Recipe
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.recipes.rules import FilterSet, Registered, registered
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.schemas import config as configs
from tests.pipelines.builds.small_corpus import SmallCorpus, small_corpus
from tests.pipelines.filters.pairs.conceptual.capitals import Capitals
from tests.pipelines.filters.pairs.conceptual.small_wordnet import write_wordnet

ROOT = Path(__file__).parents[3]
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
PHRASES = "filters.conceptual.phrases=LIST-D"
WORDNET = "filters.conceptual.wordnet=LIST-W"
WHOLE = "every text is complete: test_rewriting.py"
CAPTION = ("filters.conceptual.min_nouns=0",)
STORED = "the scores are those of the store: stages/scores/test_clip_scores.py"
SITES = "filters.sites.only_listed=true"
AESTHETIC = ("filters.scores.aesthetic.model=one", "filters.scores.aesthetic.head=one")
ENTRIES = ("filters.entries.metadata=LIST", "filters.entries.min_entries=1")

ROWS: dict[str, Row] = {
    "name": Row("other", SHARDS, unseen=ONLY_MANIFEST),
    "kind": Row("pairs", BOTH, unseen="another kind has other records"),
    "description": Row("other", SHARDS, unseen=ONLY_MANIFEST),
    "candidates.texts": Row('["alt_text", "page_title"]', READ, kind="pairs"),
    "candidates.need_text": Row(
        "false", READ, kind="pairs", unseen="every image of the small web has an alt text: stages/kinds/test_pairs.py"
    ),
    "filters.order": Row(
        '["quality"]', SELECT, ("filters.quality.min_words=1000000", "filters.language.min_score=2.0")
    ),
    "filters.language.languages": Row('["xx"]', MEASURED),
    "filters.language.min_score": Row("2.0", SELECT),
    "filters.language.short_texts": Row("page", BOTH, kind="pairs"),
    "filters.language.drop_foreign_blocks": Row("true", BOTH, ('filters.language.languages=["en"]',)),
    **thresholds("filters.explicit", "max_share max_words", SELECT, *LISTS),
    "filters.quality.count_punctuation": Row("true", MEASURED, ("filters.quality.min_alphabetic_words=0.9",)),
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
    "filters.lists.tokens": Row("LIST", MEASURED, kind="pairs"),
    **thresholds("filters.captions", "min_words max_words max_text_images max_image_texts", SELECT, kind="pairs"),
    **thresholds("filters.captions", "most_frequent_tokens min_token_occurrences", MEASURED, kind="pairs"),
    "filters.captions.max_unknown_tokens": Row("0", SELECT, ("filters.lists.tokens=LIST",), kind="pairs"),
    "filters.captions.fold_case": Row(
        "true", MEASURED, kind="pairs", unseen="no two texts differ in case alone: stages/kinds/test_pairs.py"
    ),
    "filters.captions.token_unit": Row("words", MEASURED, ("filters.captions.min_token_occurrences=2",), kind="pairs"),
    "filters.conceptual.tagger": Row("capitals", MEASURED, CAPTION, kind="pairs"),
    "filters.conceptual.boilerplate": Row("true", MEASURED, (PHRASES,), kind="pairs"),
    "filters.conceptual.phrases": Row(
        PHRASES.partition("=")[2], MEASURED, ("filters.conceptual.boilerplate=true",), kind="pairs"
    ),
    **thresholds(
        "filters.conceptual",
        "min_unique_words min_determiners min_nouns min_prepositions max_noun_share max_repeated_words "
        "max_capital_words min_polarity max_polarity min_rewritten_words max_unresolved_names",
        SELECT,
        *CAPTION,
        WORDNET,
        kind="pairs",
    ),
    "filters.conceptual.wordnet": Row(WORDNET.partition("=")[2], MEASURED, CAPTION, kind="pairs"),
    "filters.conceptual.complete": Row("true", SELECT, (*CAPTION, WORDNET), kind="pairs", unseen=WHOLE),
    "filters.conceptual.min_hypernym_captions": Row(
        "5", MEASURED, (*CAPTION, WORDNET), kind="pairs", unseen="no text has a name: test_conceptual_captions.py"
    ),
    "filters.conceptual.capital_start": Row("true", SELECT, CAPTION, kind="pairs"),
    "filters.conceptual.max_bad_words": Row("-1", SELECT, (*CAPTION, LISTS[0]), kind="pairs"),
    "filters.conceptual.person": Row(
        "<PERSON>", MEASURED, CAPTION, kind="pairs", unseen="no text has a name: test_persons.py"
    ),
    "filters.columns.bounds": Row(
        '["similarity > 1"]', SELECT, kind="pairs", unseen="it is for lists: test_list_pairs.py"
    ),
    "filters.sites.domains": Row('["localhost"]', MEASURED, ("filters.sites.path=LIST", SITES), kind="pairs"),
    "filters.sites.path": Row("LIST-C", MEASURED, ('filters.sites.domains=["the"]', SITES), kind="pairs"),
    "filters.sites.only_listed": Row("true", SELECT, ("filters.sites.path=LIST",), kind="pairs"),
    "filters.templates.max_template_share": Row(
        "0.5", SELECT, kind="pairs", unseen="no text there is a template: filters/pairs/test_templates.py"
    ),
    "filters.entries.metadata": Row("LIST-B", MEASURED, ENTRIES, kind="pairs"),
    "filters.entries.min_entries": Row("1", SELECT, ENTRIES[:1], kind="pairs"),
    "filters.entries.max_pairs": Row("0", MEASURED, ENTRIES[:1], kind="pairs"),
    "filters.entries.rng_seed": Row("1", SELECT, (ENTRIES[0], "filters.entries.max_pairs=1"), kind="pairs"),
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
    "filters.scores.clip.model": Row("other", SHARDS, ("filters.scores.clip.model=one",), unseen=STORED),
    "filters.scores.clip.min_score": Row("0.3", SHARDS, ("filters.scores.clip.model=one",), unseen=STORED),
    "filters.scores.clip.top_fraction": Row(
        "0.3", SHARDS, ("filters.scores.clip.model=one",), kind="pairs", unseen=STORED
    ),
    "filters.scores.clip.assign_images": Row("true", SHARDS, ("filters.scores.clip.model=one",), unseen=STORED),
    "filters.scores.aesthetic.model": Row("other", SHARDS, AESTHETIC, unseen=STORED),
    "filters.scores.aesthetic.head": Row("other", SHARDS, AESTHETIC, unseen=STORED),
    "filters.scores.aesthetic.min_score": Row("5.0", SHARDS, AESTHETIC, unseen=STORED),
    "filters.scores.aesthetic.top_fraction": Row("0.3", SHARDS, AESTHETIC, unseen=STORED),
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
    "images.verify_hash": Row("md5", READ, kind="pairs", unseen="it is for lists: test_list_pairs.py"),
    "images.face_boxes": Row("faces", READ, kind="pairs", unseen="it is for lists: test_list_pairs.py"),
    "images.quality": Row("10", SHARDS, RESIZE),
    "honour.signals": Row("[]", READ),
    "honour.agents": Row('["CCBot"]', SHARDS, unseen="it is obeyed while images are fetched: test_host_files.py"),
    "honour.licenses": Row('["CC-BY-4.0"]', READ),
    "split.val": Row("0.5", SHARDS),
}

OF_DERIVED = {
    f"regions.{key.name}": "tests/pipelines/stages/regions/test_sources.py"
    for key in dataclasses.fields(RegionSettings)
} | {f"clips.{key.name}": "tests/pipelines/builds/derived/test_clips.py" for key in dataclasses.fields(Clips)}
"""Key of a recipe whose dataset is made from another dataset or from videos -> the test of what it changes."""

BUILD_FIELDS: dict[str, tuple[object, frozenset[str], str]] = {
    "recipe": (None, NOTHING, "its keys have the rows above"),
    "out": ("elsewhere", SHARDS, "the dataset lies elsewhere"),
    "work": ("elsewhere", NOTHING, "a place: its stages are found by their fingerprints"),
    "store": ("elsewhere", SHARDS, "the fingerprint has the outcomes that it holds"),
    "warcs": (("elsewhere",), NOTHING, "the fingerprint has the hashes of their content, which are fixed here"),
    "from_pages": (None, NOTHING, "tests/pipelines/builds/test_finished_stages.py"),
    "verify_digests": (True, READ, "tests/pipelines/builds/test_fingerprints.py"),
    "resolve_revisits": (True, READ, "tests/pipelines/builds/test_fingerprints.py"),
    "fetch": (None, NOTHING, "outcomes of fetching are in the store"),
    "lists": (("a.csv",), READ, "tests/pipelines/stages/extract/test_list_pairs.py"),
    "columns": (PairListConfig(url_column="other"), NOTHING, "it is for lists alone: see the test below"),
    "videos": (("a.mp4",), NOTHING, "they are for clips alone: tests/pipelines/builds/derived/test_clips.py"),
    "from_img2dataset": (("folder",), READ, "tests/pipelines/stages/extract/test_list_pairs.py"),
    "shards": (4, SHARDS, "tests/pipelines/builds/test_fingerprints.py"),
    "workers": (7, NOTHING, "promise 2: the same bytes with any number of workers"),
    "lanes": (7, NOTHING, "promise 2: the same bytes with any number of lanes"),
    "blocklists": (("url=x",), NOTHING, "outcomes of fetching are in the store"),
    "fetcher": ("img2dataset", NOTHING, "outcomes of fetching are in the store"),
    "load_clip": (None, NOTHING, "it reads a model, whose digest is in score_models"),
    "score_models": ({"clip": "f" * 64}, SHARDS, "tests/pipelines/stages/scores/test_clip_scores.py"),
    "memory": (1 << 30, NOTHING, "it bounds a stage and changes no byte"),
    "passes": (3, NOTHING, "promise 2: the same bytes with any number of passes"),
    "limit": (5, READ, "tests/pipelines/builds/test_fingerprints.py"),
    "profile": (Profile(runner="portable"), NOTHING, "promise 2: the same bytes on any engine"),
}
"""Per field of a build: another value, the stages that it changes, and why none or which test shows what it changes."""


def derived() -> dict[str, tuple[Registered[Any], str]]:
    """Return the thresholds that need no row of their own: the plain ones of a text filter's table."""
    return {
        f"filters.{item.name}.{key.name}": (item, key.name)
        for item in registered(FilterSet())
        for key in dataclasses.fields(item.defaults)
        if configs.is_threshold(key) and f"filters.{item.name}.{key.name}" not in ROWS
    }


DERIVED = derived()


def derived_row(path: str, corpus: SmallCorpus) -> Row:
    """Return the row of a text filter's threshold: a value that rejects a page, and keeps one where scores differ."""
    item, name = DERIVED[path]
    (key,) = (key for key in dataclasses.fields(item.defaults) if key.name == name)
    rules = item.module.rules(dataclasses.replace(item.defaults, **{name: 1}))
    (rule,) = (rule for rule in rules if rule.minimum is not None or rule.maximum is not None)
    scores = corpus.scores(rule.score)
    assert scores, f"no page of small_corpus.py has the score {rule.score}: write a row for {path} into {__name__}"
    between = scores[len(scores) // 2 - 1 : len(scores) // 2 + 1] if len(scores) > 1 else ()
    if rule.minimum is not None:
        value = sum(between) / 2 if between else scores[-1] + 1
    else:
        value = sum(between) / 2 if between else scores[0] - 1
    whole = all(score.is_integer() for score in scores)
    rounded = math.ceil(value) if rule.minimum is not None else math.floor(value)
    return Row(repr(rounded if whole else value), MEASURED if key.metadata.get("measured") else SELECT)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCorpus]:
    """Return the small web, extracted, with its images fetched."""
    with pytest.MonkeyPatch.context() as patch, small_corpus(tmp_path_factory.mktemp("corpus")) as made:
        patch.setitem(taggers.TAGGERS, "capitals", lambda _: Capitals())
        folder = made.web.folder
        (folder / "LIST").write_text("the\nboat\n")
        (folder / "LIST-B").write_text("zebra\n")
        write_wordnet(folder / "LIST-W")
        (folder / "LIST-D").write_text("cut start picture of\nreject end product photo\n")
        (folder / "LIST-C").write_text("localhost\n")
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
    missing = {key.path for key in keys_of(Recipe) if key.table is None} ^ {*ROWS, *DERIVED, *OF_DERIVED}
    assert not missing, f"a setting, and a threshold outside the text filters, needs a row in ROWS: {sorted(missing)}"
    assert all(path.rpartition(".")[2] in (ROOT / test).read_text() for path, test in OF_DERIVED.items())


def test_every_field_of_a_build_has_a_row() -> None:
    assert set(BUILD_FIELDS) == {item.name for item in dataclasses.fields(BuildConfig)}, "a row in BUILD_FIELDS"


@pytest.mark.parametrize("path", [*ROWS, *DERIVED])
def test_a_key_changes_its_stages_and_what_is_built(corpus: SmallCorpus, path: str) -> None:
    row = ROWS[path] if path in ROWS else derived_row(path, corpus)
    before = recipe_of(corpus, row.kind, row.beside)
    after = recipe_of(corpus, row.kind, (*row.beside, f"{path}={row.value}"))
    stages, changed = corpus.stages(before), corpus.stages(after)
    assert {name for name in stages if stages[name] != changed[name]} == row.stages
    if row.unseen is None:
        assert corpus.differ(before, after)


def test_a_recipe_by_another_name_makes_the_same_of_the_corpus(corpus: SmallCorpus) -> None:
    for kind in ("interleaved", "pairs"):
        recipe = recipe_of(corpus, kind, ())
        assert not corpus.differ(recipe, dataclasses.replace(recipe, description="other"))


@pytest.mark.parametrize("name", BUILD_FIELDS)
def test_a_field_of_a_build_changes_its_stages(corpus: SmallCorpus, name: str, tmp_path: Path) -> None:
    value, expected, why = BUILD_FIELDS[name]
    assert not why.startswith("tests/") or (ROOT / why).exists()
    if value is None:
        return
    value = str(tmp_path / "x") if value == "elsewhere" else value
    recipe = recipe_of(corpus, "pairs" if name in ("lists", "from_img2dataset") else "interleaved", ())
    stages, changed = corpus.stages(recipe), corpus.stages(recipe, **{name: value})
    assert {part for part in stages if stages[part] != changed[part]} == expected


def test_columns_matter_where_lists_are_read(corpus: SmallCorpus) -> None:
    recipe, lists = recipe_of(corpus, "pairs", ()), ("a.csv",)
    stages = corpus.stages(recipe, lists=lists)
    changed = corpus.stages(recipe, lists=lists, columns=PairListConfig(url_column="other"))
    assert {part for part in stages if stages[part] != changed[part]} == READ


def test_a_bound_that_is_strict_is_another_rule(corpus: SmallCorpus) -> None:
    plain, strict = (
        recipe_of(corpus, "interleaved", (f"filters.quality.min_words={value}",)) for value in ("9", "{above = 9}")
    )
    assert corpus.stages(plain)["select"] != corpus.stages(strict)["select"]
