"""The nearest images of a text or an image, with the model that made the embeddings and with no other."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.embeddings.manifest import read_embeddings_manifest
from corpusloom.trainers.jobs.embed import embed
from corpusloom.trainers.jobs.search import load_encoder, search
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import coloured_pairs
from tests.trainers.embedding.small import small_pairs
from tests.trainers.stream.datasets import make_dataset, make_image


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hf_folder(tmp_path_factory.mktemp("clip"))[0]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, clip: str) -> str:
    path = small_pairs(tmp_path_factory.mktemp("data") / "pairs")
    embed(path, clip)
    return path


def test_an_image_finds_itself_and_a_text_finds_as_many_as_asked(pairs: str, tmp_path: Path) -> None:
    own = coloured_pairs(12)[5]
    (tmp_path / "own.jpg").write_bytes(own.image)
    result = search(pairs, ["a red square"], [str(tmp_path / "own.jpg")], k=4, html=str(tmp_path / "found.html"))
    assert (result.images, result.queries) == (12, ("a red square", str(tmp_path / "own.jpg")))
    assert [hit.rank for hit in result.hits[0]] == [1, 2, 3, 4]
    best = result.hits[1][0]
    assert (best.score, best.caption) == (pytest.approx(1, abs=2e-3), own.text)
    assert best.url == f"http://x/{best.key}"
    assert (tmp_path / "found.html").read_text().count("data:image/jpeg") == 9


def test_an_image_of_a_page_has_its_own_url_and_caption(clip: str, tmp_path: Path) -> None:
    key = "0" * 32
    info = b'{"image_info": [{"name": "%s.001.jpg", "url": "http://x/1", "alt_text": "one"}]' % key.encode()
    page = {"000.jpg": make_image(0), "001.jpg": make_image(1), "json": info + b', "texts": [], "images": []}'}
    data = make_dataset(tmp_path / "pages", "interleaved", [(key, page)], shards=1)
    embed(data, clip)
    (tmp_path / "one.jpg").write_bytes(make_image(1))
    hit = search(data, images=[str(tmp_path / "one.jpg")], k=1).hits[0][0]
    assert (hit.field, hit.url, hit.caption) == ("001.jpg", "http://x/1", "one")


def test_a_dataset_without_embeddings_names_the_command(pairs: str) -> None:
    with pytest.raises(InputError, match=r"run loom embed data/x --checkpoint PATH"):
        search("data/x", ["a"])
    with pytest.raises(InputError, match="not an image that can be decoded"):
        search(pairs, images=[f"{pairs}/manifest.json"])


def test_the_model_may_have_moved_but_not_changed(pairs: str, clip: str, tmp_path: Path) -> None:
    model = read_embeddings_manifest(f"{pairs}.embeddings").model
    moved = shutil.copytree(clip, tmp_path / "moved")
    assert load_encoder(model, str(moved), "x").identity.digest == model.digest
    gone = replace(model, path=str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"cannot be read from .*gone.*give --checkpoint PATH"):
        load_encoder(gone, None, "x")
    with pytest.raises(ConfigError, match="is not the model that made the embeddings"):
        load_encoder(replace(model, digest="0" * 64), clip, "x")
