"""Judges the pages, pairs and image occurrences of a shard, and makes samples of those that are kept."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from corpusloom.pipelines.dedup.decontamination import Benchmarks, Match, cut_blocks, reason_of
from corpusloom.pipelines.dedup.frequency import drop_paragraphs
from corpusloom.pipelines.dedup.image_hashes import ImageHashes
from corpusloom.pipelines.models.faces.blur import blur_faces
from corpusloom.pipelines.models.faces.boxes import FaceBox
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, opt_out_of_facts
from corpusloom.pipelines.recipes.deciding import image_count_rules, image_rules
from corpusloom.pipelines.recipes.measuring import edit_blocks, measure_image
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.image_columns import check_hash, faces_of
from corpusloom.pipelines.stages.scores.judging import ModelJudge, judge_texts
from corpusloom.pipelines.stages.scores.placement import place_images, sentences_of
from corpusloom.pipelines.store.dataset.samples import (
    StoredImage,
    UnwrittenSample,
    interleaved_sample,
    pair_sample,
    store_form,
)
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.resize import Resize, resize, same_format
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.tombstones import HIDDEN, Tombstones, is_taken_down
from corpusloom.schemas import config as configs
from corpusloom.schemas import identity
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import (
    ImageFacts,
    ImageRef,
    Page,
    Pair,
    ProvenanceRow,
)
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Scores, Verdict, decide

STAGE = "shards"


@dataclass(frozen=True, slots=True)
class ImageJudge:
    """Judges images by the store's outcomes, the recipe's rules, evaluation sets and tombstones."""

    recipe: Recipe
    store: ImageStore
    index: ImageIndex
    """Index of the store, as of one generation."""
    frequent: frozenset[str]
    """Image URLs on more pages than the recipe allows."""
    benchmarks: Benchmarks | None = None
    """Evaluation sets whose images and texts must not be in the dataset; None if there are none."""
    nsfw: Mapping[str, float | None] = field(default_factory=dict)
    """SHA-256 of an image -> its score by the recipe's NSFW model."""
    models: tuple[ModelJudge, ...] = ()
    """Judges by the scores of models."""
    tombstones: Tombstones = field(default_factory=Tombstones)

    def _is_forgotten(self, ref: ImageRef) -> bool:
        """Return whether an image is taken down by its hash or final URL, which only the store knows."""
        if not self.tombstones:
            return False
        record = self.index.find(identity.image_key(ref.url))
        return record is not None and is_taken_down(record, self.tombstones)

    def __call__(
        self, ref: ImageRef, columns: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Verdict, Scores, StoredImage | None]:
        """Return the verdict on one occurrence of an image, its scores, and the image if it is kept.

        `columns` are further ones of the row of a list.
        """
        if ref.url.startswith(HIDDEN) or self._is_forgotten(ref):
            return Rejected("forgotten"), {}, None
        if ref.url in self.frequent:
            return Rejected("url_too_frequent"), {}, None
        verdict, scores, image = judge_image(ref, self.index, self.store, self.recipe, self.nsfw, columns)
        match = self._match(image.facts) if image is not None else None
        if match is not None:
            return Rejected(reason_of(match), match.distance), scores, None
        return verdict, scores, image

    def _match(self, facts: ImageFacts) -> Match | None:
        if self.benchmarks is None:
            return None
        hashes = ImageHashes(facts.dhash, facts.phash, facts.grid, facts.gray_std, facts.colour_range)
        return self.benchmarks.match_image(facts.sha256, hashes)


def judge_image(
    ref: ImageRef,
    index: ImageIndex,
    store: ImageStore,
    recipe: Recipe,
    nsfw: Mapping[str, float | None] = MappingProxyType({}),
    columns: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Verdict, Scores, StoredImage | None]:
    """Return the verdict on an image by its outcome, facts and opt-outs in the store, its hash, and the image rules."""
    record = index.find(identity.image_key(ref.url))
    if record is None:
        return Dead("not_fetched"), {}, None
    if record.outcome == "dead":
        return Dead(record.reason or "unknown"), {}, None
    if record.outcome == "rejected":
        return Rejected(record.reason or "unknown"), {}, None
    facts = store.facts().get(record.sha256 or "")
    if facts is None:
        return Dead("no_facts"), {}, None
    if facts.error is not None:
        return Rejected(facts.error), {}, None
    honoured = recipe.honour.signals
    refused = opt_out_of_facts(facts, honoured) or opt_out(record.signals, honoured, unit="image")
    if refused is not None:
        return refused, {}, None
    if recipe.images.verify_hash is not None:
        mismatch = check_hash(store.read(record), columns, recipe.images)
        if mismatch is not None:
            return mismatch, {}, None
    scores = measure_image(ref, record, facts)
    score = nsfw.get(facts.sha256)
    if score is not None:
        scores["model_nsfw"] = score
    elif recipe.filters.images.nsfw_model is not None and recipe.filters.images.max_nsfw is not None:
        return Rejected("nsfw_not_scored"), scores, None
    verdict = decide(scores, image_rules(recipe))
    if not isinstance(verdict, Kept):
        return verdict, scores, None
    try:
        faces = faces_of(columns, recipe.images)
        stored = StoredImage(ref, record, facts, *member_form(store.read(record), facts.format, recipe, faces))
    except ImageError as error:
        return Rejected(error.reason), scores, None
    blurred = None if recipe.images.face_boxes is None else len(faces)
    return verdict, scores, dataclasses.replace(stored, blurred_faces=blurred)


def member_form(
    data: bytes, image_format: str, recipe: Recipe, faces: tuple[FaceBox, ...] = ()
) -> tuple[bytes, str, tuple[int, int] | None]:
    """Return an image's bytes in the tar, its extension, and (width, height) if it is encoded again.

    That is so if the recipe resizes or re-encodes images, and if faces are blurred, before anything else.
    """
    config = resize_of(recipe)
    if config is None and faces:
        config = Resize(mode="no", format=same_format(image_format), quality=recipe.images.quality)
    if config is None:
        return *store_form(data, image_format), None
    resized, width, height = resize(data, config, lambda pixels: blur_faces(pixels, faces))
    return resized, config.format, (width, height)


def resize_of(recipe: Recipe) -> Resize | None:
    """Return how a recipe resizes its images; None if they are stored as fetched."""
    images = recipe.images
    if images.resize is None and images.format is None:
        return None
    values = {"mode": images.resize_mode if images.resize else "no", "size": images.resize or 1}
    values |= {"only_if_bigger": images.resize_only_if_bigger, "format": images.format or "jpg"}
    return configs.build(Resize, values | {"quality": images.quality}, where="images")


def edited(page: Page, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger) -> Page | Rejected:
    """Return a page without frequent paragraphs, bad lines and evaluation texts, or why no text is left."""
    blocks = drop_paragraphs(page, frequent) if frequent else page.blocks
    page = dataclasses.replace(page, blocks=edit_blocks(blocks, judge.recipe))
    if judge.benchmarks is not None:
        texts, matches = cut_blocks([block.text for block in page.blocks], judge.benchmarks)
        ledger.provenance += [_provenance(page, match) for match in matches]
        if texts is None:
            return Rejected(reason_of(matches[0]), float(len(matches)))
        pairs = zip(page.blocks, texts, strict=True)
        kept = (dataclasses.replace(block, text=text) for block, text in pairs if text or block.image is not None)
        page = dataclasses.replace(page, blocks=tuple(kept))
    return page if any(block.text for block in page.blocks) else Rejected("no_text")


def _provenance(page: Page, match: Match) -> ProvenanceRow:
    message = f"{match.benchmark} {match.item}: {match.kind} of {match.distance:.0f} words"
    return ProvenanceRow(stage=STAGE, key=page.key, url=page.url, message=message)


def page_sample(page: Page, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger) -> UnwrittenSample | None:
    """Edit a page, judge its images, judge the page; return its sample if it is kept."""
    found = edited(page, frequent, judge, ledger)
    if isinstance(found, Rejected):
        ledger.record(found, unit="page", key=page.key, parent=page.parent, url=page.url)
        return None
    kept, unsafe = judge_occurrences(found, judge, ledger)
    verdict: Verdict = decide({"images": float(len(kept))}, image_count_rules(judge.recipe))
    if unsafe and judge.recipe.images.drop_page_on_nsfw:
        verdict = Rejected("nsfw_image", float(unsafe), 0.0)
    ledger.record(
        verdict, unit="page", key=page.key, parent=page.parent, url=page.url, scores={"images": float(len(kept))}
    )
    if not isinstance(verdict, Kept):
        return None
    scores = judge.recipe.filters.scores
    model = next((model for model in judge.models if model.name == "clip"), None)
    if model is not None and scores is not None and scores.clip is not None and scores.clip.assign_images:
        found, kept = _placed(found, kept, model)
    return interleaved_sample(found, kept, validation=judge.recipe.split.val)


def _placed(page: Page, kept: dict[int, StoredImage], model: ModelJudge) -> tuple[Page, dict[int, StoredImage]]:
    """Return a page with its kept images before their sentences, and ordinal -> image in the new order."""
    similarities = {
        (ordinal, item.text): score
        for ordinal, image in kept.items()
        for item in sentences_of(page.blocks)
        if (score := model.score(image.facts.sha256, item.text)) is not None
    }
    blocks, order = place_images(page.blocks, sorted(kept), similarities)
    placed = {}
    for ordinal, (earlier, similarity) in enumerate(order):
        scores = {} if similarity is None else {f"{model.name}_score": similarity}
        placed[ordinal] = dataclasses.replace(kept[earlier], scores={**kept[earlier].scores, **scores})
    return dataclasses.replace(page, blocks=blocks), placed


def judge_occurrences(page: Page, judge: ImageJudge, ledger: Ledger) -> tuple[dict[int, StoredImage], int]:
    """Judge each image of a page; return ordinal -> kept image, and the number of images rejected as NSFW."""
    kept: dict[int, StoredImage] = {}
    seen: set[str] = set()
    unsafe = 0
    sentences = [item.text for item in sentences_of(page.blocks)] if judge.models else []
    for ordinal, block in enumerate(block for block in page.blocks if block.image is not None):
        ref = block.image
        if ref is None:
            continue
        verdict, scores, image = judge(ref)
        if image is not None and judge.recipe.images.once_per_page and image.facts.sha256 in seen:
            verdict, image = Rejected("repeated_in_page"), None
        if image is not None and judge.models:
            verdict, measured = judge_texts(judge.models, image.facts.sha256, sentences)
            image = dataclasses.replace(image, scores=measured) if isinstance(verdict, Kept) else None
            scores = scores | measured
        key = identity.make_key("occurrence", page.key, str(ordinal))
        ledger.record(verdict, unit="image_occurrence", key=key, parent=page.key, url=_shown(ref.url), scores=scores)
        if image is not None:
            kept[ordinal] = image
            seen.add(image.facts.sha256)
        unsafe += isinstance(verdict, Rejected) and verdict.reason == "nsfw"
    return kept, unsafe


def _shown(url: str) -> str | None:
    return None if url.startswith(HIDDEN) else url


def pair_to_sample(pair: Pair, _: frozenset[str], judge: ImageJudge, ledger: Ledger) -> UnwrittenSample | None:
    """Judge the image and text of a pair; return its sample if it is kept."""
    verdict, scores, image = judge(ImageRef(url=pair.image_url, alt_text=pair.text), pair.columns)
    texts: tuple[Match, ...] = ()
    if judge.benchmarks is not None and image is not None:
        texts = judge.benchmarks.match_text(pair.original or pair.text)
    if texts:
        verdict, image = Rejected(reason_of(texts[0]), texts[0].distance), None
    if image is not None:
        verdict, measured = judge_texts(judge.models, image.facts.sha256, (pair.text,))
        scores = scores | measured
        pair, image = _with_scores(pair, measured), image if isinstance(verdict, Kept) else None
    ledger.record(verdict, unit="pair", key=pair.key, parent=pair.parent, url=pair.image_url, scores=scores)
    if image is None:
        return None
    return pair_sample(pair, image, validation=judge.recipe.split.val)


def _with_scores(pair: Pair, scores: Scores) -> Pair:
    return dataclasses.replace(pair, scores={**pair.scores, **scores}) if scores else pair
