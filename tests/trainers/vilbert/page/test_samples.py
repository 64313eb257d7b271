"""A sample is explained as the model sees it: cut to its tokens and regions, without padding."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.vilbert.page.samples import explain, read_class_names, sample_reader
from tests.trainers.vilbert.page.pools import ONE, empty, page_model
from tests.trainers.vilbert.region_pairs import region_sample, write_regions


@pytest.mark.parametrize("changes", [{}, ONE], ids=["two streams", "one stream"])
def test_words_regions_and_attention_are_those_without_padding(changes: dict[str, int]) -> None:
    found = explain(page_model(**changes), region_sample(0, boxes=3), "a red disc")
    assert found.words == ("[CLS]", "a", "red", "disc", "[SEP]")
    assert (found.regions, found.is_cut) == (3, False)
    layers = 4 if changes else 2
    assert found.attention.to_regions.shape == (layers, 5, 4)
    assert found.attention.to_words.shape == (layers, 4, 5)
    assert (len(found.masked_words), len(found.masked_regions)) == (3, 3)
    if not changes:
        torch.testing.assert_close(found.attention.to_regions.sum(2), torch.ones(2, 5))


def test_a_caption_and_regions_beyond_what_the_model_takes_are_cut() -> None:
    found = explain(page_model(regions=8), region_sample(0, boxes=100), "a red disc " * 9)
    assert found.is_cut
    assert len(found.words) == 12
    assert (found.regions, len(found.masked_regions)) == (8, 8)


def test_an_image_without_regions_is_explained_by_img_alone() -> None:
    found = explain(page_model(), empty(region_sample(0)), "a red disc")
    assert found.attention.to_regions.shape == (2, 5, 1)
    assert found.masked_regions == ()


def test_region_classes_have_the_names_of_a_file_or_numbers(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("".join(f"name {number}, synonym\n" for number in range(12)))
    names = read_class_names(str(file), 12)
    assert replace(page_model(), class_names=names).class_name(7) == "name 7"
    assert page_model().class_name(7) == "class 7"
    with pytest.raises(ConfigError, match=r"names\.txt: 12 names, and the model has 1,601 region classes"):
        read_class_names(str(file), 1601)


def test_an_id_without_a_word_has_its_number_as_name() -> None:
    assert page_model().token_name(6) == "red"
    assert page_model().token_name(49) == "token 49"


def test_samples_are_read_again_by_their_numbers(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 6)
    keys = [region_sample(number).key for number in range(6)]
    found = sample_reader([data], None, None, keys)({1, 4})
    assert {number: sample.key for number, sample in found.items()} == {1: keys[1], 4: keys[4]}
