"""Pools of images with several captions: whose figures they are, what is left out, and what is refused."""

from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.figures import NotFiniteError
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.page.masked import inputs_of
from corpusloom.trainers.vilbert.retrieval.captioned import read_captioned
from corpusloom.trainers.vilbert.retrieval.pool import RetrievalTools, retrieve_captioned, retrieve_samples
from corpusloom.trainers.vilbert.tokenizer import SPECIAL, encode, make_tokenizer
from tests.trainers.vilbert.region_pairs import COLOURS, SHAPES, region_sample, write_regions
from tests.trainers.vilbert.retrieval.caption_files import write_karpathy
from tests.trainers.vilbert.small import small_model

WORDS = (*SPECIAL, "a", "the", "is", *COLOURS, *SHAPES)
TOOLS = RetrievalTools(make_tokenizer({word: number for number, word in enumerate(WORDS)}), tokens=8, regions=6)
ONE = EvaluationSettings()


def test_one_caption_per_image_gives_the_figures_of_the_samples(tmp_path: Path) -> None:
    data, model = write_regions(tmp_path / "regions", 12), small_model()
    own = {number: [f"a {COLOURS[number % 4]} {SHAPES[number // 4 % 4]}"] for number in range(12)}
    captioned = read_captioned([write_karpathy(tmp_path / "dataset.json", range(12), captions=own)], None)
    first, second = retrieve_samples(model, TOOLS, [data], ONE), retrieve_captioned(model, TOOLS, data, captioned, ONE)
    for k in (1, 5, 10):
        assert second.values[f"image_retrieval_r{k}"] == first.values[f"r{k}"]
    assert second.values["skipped"] == second.values["left_out"] == 0
    assert second.notes == ()


def test_images_that_the_dataset_lacks_leave_the_pool(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 6)
    captioned = read_captioned([write_karpathy(tmp_path / "dataset.json", range(8), captions={1: [""]})], None)
    found = retrieve_captioned(small_model(), TOOLS, data, captioned, ONE)
    assert (found.values["images"], found.values["n"], found.values["left_out"]) == (5, 10, 2)
    assert found.notes[0] == "1 images without a caption are left out"
    assert found.notes[1].startswith("2 of 7 annotations are left out: the dataset lacks image ")


def test_long_captions_are_cut_and_counted(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 3)
    captioned = read_captioned([write_karpathy(tmp_path / "d.json", range(3), captions={1: ["a red " * 9, "a"]})], None)
    found = retrieve_captioned(small_model(), TOOLS, data, captioned, ONE)
    assert found.notes == ("1 of 6 captions have more than 8 tokens and are cut",)


def test_a_pool_of_one_image_is_refused(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 3)
    captioned = read_captioned([write_karpathy(tmp_path / "dataset.json", [1, 7])], None)
    with pytest.raises(InputError, match="one image alone cannot be ranked"):
        retrieve_captioned(small_model(), TOOLS, data, captioned, ONE)


def test_a_model_whose_scores_are_not_finite_is_refused(tmp_path: Path) -> None:
    data, model = write_regions(tmp_path / "regions", 3), small_model()
    with torch.no_grad():
        model.alignment.bias.fill_(torch.nan)
    with pytest.raises(NotFiniteError, match="scores of 3 of 3 captions are not finite"):
        retrieve_samples(model, TOOLS, [data], ONE)


def test_the_page_shows_the_captions_of_a_file_with_their_own_images(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 4)
    captions = {number: [f"a red disc {number}", f"the ring {number}"] for number in range(4)}
    captioned = read_captioned([write_karpathy(tmp_path / "dataset.json", range(4), captions=captions)], None)
    model = small_model()
    found = retrieve_captioned(model, TOOLS, data, captioned, ONE)
    assert found.page is not None
    html = found.page("regions", "runs/vilbert")
    assert "8 of 8 captions" in html
    assert "<span>image retrieval R@1</span>" in html
    for number in range(4):  # the boxes beside both captions are those of the image with this number
        left = f'<rect x="{region_sample(number).boxes[0, 0]:.1f}"'
        parts = [part for part in html.split('<section class="sample"')[1:] if f"{number}</bdi></h3>" in part]
        assert len(parts) == 2
        assert all(left in part for part in parts)
    ids, inputs = encode(TOOLS.tokenizer, "a red disc 3", 8), region_inputs(region_sample(3), 6)
    given = inputs_of(model, ids, 0, inputs)
    with torch.no_grad():
        aligned = model(given.tokens, given.token_mask, *given.visual).alignment.softmax(1)[0, 0]
    retrieval = next(part for part in html.split('<section class="ranking')[1:] if "a red disc 3</bdi>" in part)
    assert f"{100 * aligned:.1f} %" in retrieval.split('<li class="hit own"')[1].split("</li>")[0]
