"""CLIP scores of pairs: once per image and text, those of the model, and stored for later thresholds."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import CLIPModel

from corpusloom.pipelines.cli.clip_loader import load_clip
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.scores import clip_scores
from corpusloom.pipelines.store import model_scores
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.stages.scores.encoders import SEEN, colour_score, load_blind, load_wide
from tests.pipelines.stages.scores.scored_builds import ledger_of, picture, scored_build, scores_of, write_images
from tests.pipelines.store.store_maker import DATE
from tests.trainers.clip.folders import TEXTS, TOKENIZER, hf_folder

RED, GREEN, BLUE = picture((250, 10, 10)), picture((10, 250, 10)), picture((10, 10, 250))
PAIRS = [(RED, "rrrr"), (RED, "rrr b"), (GREEN, "rrrr"), (GREEN, "ggg"), (BLUE, "bb r"), (BLUE, "g")]


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_images(tmp_path / "in", PAIRS)


def test_each_distinct_text_and_image_is_embedded_once_and_never_again(tmp_path: Path, source: str) -> None:
    SEEN.clear()
    scored_build(tmp_path, source, "all")
    assert scores_of(tmp_path / "all").keys() == {text for _, text in PAIRS}
    assert {text: SEEN[text] for _, text in PAIRS} == {text: 1 for _, text in PAIRS}
    assert len(SEEN) == len({text for _, text in PAIRS}) + len({image for image, _ in PAIRS})
    report = scored_build(tmp_path, source, "good", "filters.scores.clip.min_score=0.88")
    assert sum(SEEN.values()) == len(SEEN)  # the stored scores decide
    assert {"images", "select"} <= {*report.reused}
    good = [(image, text) for image, text in PAIRS if round(colour_score(image, text), 4) >= 0.88]
    assert 0 < len(good) < len(PAIRS)
    assert report.manifest is not None
    assert report.manifest.samples == len(good)
    bad = sorted(round(colour_score(*pair), 4) for pair in PAIRS if pair not in good)
    measured = sorted(float(value or 0) for value in ledger_of(tmp_path / "good")["clip_score"])
    assert measured == pytest.approx(bad, abs=1e-3)


def test_scores_are_the_cosines_that_transformers_gives(tmp_path: Path) -> None:
    colours = [tuple(int(v) for v in np.random.default_rng(n).integers(0, 256, 3)) for n in range(4)]
    source = write_images(tmp_path / "in", [(picture(c, 16), t) for c, t in zip(colours, TEXTS, strict=False)])  # type: ignore[arg-type]
    (tmp_path / "clip").mkdir()
    path, model = hf_folder(tmp_path / "clip")
    assert isinstance(model, CLIPModel)
    key = f"filters.scores.clip.model={path}"
    scored_build(tmp_path, source, "out", key, load_clip=load_clip, workers=2)
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = torch.stack([((torch.tensor(c) / 255 - mean) / std)[:, None, None].expand(3, 16, 16) for c in colours])
    with torch.no_grad():
        ids = torch.from_numpy(TOKENIZER.rows(TEXTS[:4]))
        both = model(input_ids=ids, pixel_values=pixels)
    cosines = torch.nn.functional.cosine_similarity(both.image_embeds, both.text_embeds).tolist()
    found = scores_of(tmp_path / "out")
    assert [found[text] for text in TEXTS[:4]] == pytest.approx(cosines, abs=1e-3)
    assert len({round(score, 2) for score in cosines}) > 1


def test_workers_and_a_kill_between_two_commits_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(picture((n, 255 - n, n)), f"{'rgb'[n % 3] * (n % 5)}{n}") for n in range(50)]
    source = write_images(tmp_path / "in", pairs)
    whole = scored_build(tmp_path, source, "whole", store=str(tmp_path / "a"), workers=3).manifest
    monkeypatch.setattr(clip_scores, "BATCH", 4)
    written = []

    def commit_twice(folder: str, rows: list[object]) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.extend([len(rows)])
        model_scores_commit(folder, rows)

    model_scores_commit = model_scores.commit
    changes = {"store": str(tmp_path / "b"), "work": str(tmp_path / "other")}
    with monkeypatch.context() as patched:
        patched.setattr(model_scores, "commit", commit_twice)
        with pytest.raises(KeyboardInterrupt):
            scored_build(tmp_path, source, "killed", **changes)
    SEEN.clear()
    resumed = scored_build(tmp_path, source, "killed", **changes).manifest
    assert sum(SEEN[text] for _, text in pairs) == len(pairs) - sum(written)
    assert whole is not None
    assert resumed is not None
    assert resumed.digest == whole.digest


def test_another_model_scores_again_and_both_keep_their_scores(tmp_path: Path, source: str) -> None:
    scored_build(tmp_path, source, "one")
    SEEN.clear()
    scored_build(tmp_path, source, "two", "filters.scores.clip.model=other")
    assert SEEN["ggg"] == 1
    scored_build(tmp_path, source, "three", "filters.scores.clip.min_score=0.1")
    assert SEEN["ggg"] == 1
    assert len([*(tmp_path / "store" / "scores").iterdir()]) == 2


def test_a_score_that_is_not_finite_is_the_reason_of_each_pair(tmp_path: Path, source: str) -> None:
    report = scored_build(tmp_path, source, "out", load_clip=load_blind)
    assert report.manifest is not None
    assert report.manifest.samples == 0
    assert ledger_of(tmp_path / "out") == {"clip_not_finite": [None] * len(PAIRS)}


def test_a_model_of_another_shape_and_one_that_changed_are_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigError, match=r"embeddings of the shape \(4, 3\), not \(4, 8\)"):
        scored_build(tmp_path, source, "out", load_clip=load_wide)
    with pytest.raises(ConfigError, match="leave the model as it is"):
        scored_build(tmp_path, source, "out", score_models={"clip": "f" * 64})


def test_a_text_beyond_the_context_is_cut_by_the_model_and_one_of_a_megabyte_is_no_caption(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", [(RED, TEXTS[0] + " r" * length) for length in (0, 4_000, 500_000)])
    (tmp_path / "clip").mkdir()
    key = f"filters.scores.clip.model={hf_folder(tmp_path / 'clip')[0]}"
    scored_build(tmp_path, source, "out", key, load_clip=load_clip)
    short, long = sorted(scores_of(tmp_path / "out").items())
    assert (len(short[0]), len(long[0])) == (len(TEXTS[0]), len(TEXTS[0]) + 8_000)
    assert -1 <= long[1] <= 1


PAGE = (
    "<p>The letter of the first house is b b b b b b b b b b b b and nothing else at all. "
    "The grass of the garden is g g g g g g g g g g g g in the summer of the year.</p>"
    '<p>A stone is on the road to the house.</p><img src="/green.png"><p>It was put there a long time ago.</p>'
    '<img src="/blue.png"><p>It is not known who did it.</p><img src="/stone.png">'
    "<p>Here are many more words of the page, r r r r r r r r r, so that it is long enough to be kept.</p>"
)


def write_page(path: Path) -> str:
    """Write a WARC of a page and its three images."""
    answers = {"page": ("text/html", f"<html><body><article>{PAGE}</article></body></html>".encode())}
    pictures = {"green": GREEN, "blue": BLUE, "stone": picture((250, 10, 250))}
    answers |= {f"{name}.png": ("image/png", data) for name, data in pictures.items()}
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=True)
        for name, (kind, body) in answers.items():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
            url, request = f"http://example.org/{name}", b"GET / HTTP/1.1\r\n\r\n"
            writer.exchange(url, request, head, body, date=DATE, address=None, truncated=None)
    return str(path)


def test_images_of_a_page_move_to_their_sentences_and_those_that_resemble_none_go(tmp_path: Path) -> None:
    warc = write_page(tmp_path / "page.warc.gz")
    overrides = [f"filters.{name}=off" for name in ("language", "c4", "images.min_side", "images.max_aspect")]
    overrides += ["filters.images.min_colour_range=off", "filters.scores.clip.min_score=0.9", "dedup.exact_text=off"]
    model = ("filters.scores.clip.model=colours",)
    places = {
        "work": str(tmp_path / "work"),
        "store": str(tmp_path / "store"),
        "warcs": (warc,),
        "from_img2dataset": (),
    }
    changes = places | {"recipe": load_recipe("mmc4", (*overrides, *model))}
    report = scored_build(tmp_path, "", "out", **changes)
    assert report.manifest is not None
    assert report.manifest.samples == 1
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        (name,) = (name for name in tar.getnames() if name.endswith(".json"))
        body = json.load(tar.extractfile(name))  # type: ignore[arg-type]
    urls = {info["name"]: info["url"].rpartition("/")[2] for info in body["image_info"]}
    shown = [urls[image] if image else text for image, text in zip(body["images"], body["texts"], strict=True)]
    assert shown[0] == "blue.png"
    assert shown[1].endswith("nothing else at all.")
    assert shown[2] == "green.png"
    assert shown[3].startswith("The grass of the garden")
    assert "stone.png" not in urls.values()
    rows = pq.read_table(tmp_path / "out" / "ledger" / "shards.parquet").to_pylist()
    (gone,) = (row for row in rows if row["unit"] == "image_occurrence")
    assert (gone["reason"], gone["url"]) == ("clip_score", "http://example.org/stone.png")
    assert all(info["clip_score"] >= 0.9 for info in body["image_info"])
    plain = places | {"recipe": load_recipe("mmc4", overrides), "load_clip": None}
    scored_build(tmp_path, "", "plain", **plain)
    with tarfile.open(tmp_path / "plain" / "00000.tar") as tar:
        (name,) = (name for name in tar.getnames() if name.endswith(".json"))
        assert len(json.load(tar.extractfile(name))["image_info"]) == 3  # type: ignore[arg-type]


def test_a_head_scores_each_image_once_and_its_bounds_reject(tmp_path: Path, source: str) -> None:
    torch.save({"weight": torch.tensor([[0.0, 10.0, 0.0]]), "bias": torch.tensor([1.0])}, tmp_path / "head.pth")
    keys = ("filters.scores.clip=off", "filters.scores.aesthetic.model=colours")
    keys += (f"filters.scores.aesthetic.head={tmp_path / 'head.pth'}",)
    SEEN.clear()
    scored_build(tmp_path, source, "green", *keys, "filters.scores.aesthetic.min_score=5.0")
    assert sum(SEEN.values()) == 3  # the images, and no text
    rows = pq.read_table(tmp_path / "green" / "00000.parquet").to_pylist()
    green = round(1 + 10 * 251 / (251 * 251 + 2 * 11 * 11) ** 0.5, 4)
    assert {row["caption"] for row in rows} == {"rrrr", "ggg"}
    assert {dict(row["scores"])["aesthetic_score"] for row in rows} == {green}
    assert len(ledger_of(tmp_path / "green")["aesthetic_score"]) == 4
    scored_build(tmp_path, source, "best", *keys, "filters.scores.aesthetic.top_fraction=0.3")
    assert len(pq.read_table(tmp_path / "best" / "00000.parquet")) == 2
    assert sum(SEEN.values()) == 3
    torch.save({"weight": torch.zeros(1, 4)}, tmp_path / "head.pth")
    with pytest.raises(InputError, match="embeddings of width 4, the CLIP colours makes 3"):
        scored_build(tmp_path, source, "wide", *keys)
