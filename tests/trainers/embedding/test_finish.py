"""A folder is refused unless its parts are of the same dataset and model, and committed only with an image in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.embeddings.manifest import make_identity, read_embeddings_manifest
from corpusloom.schemas.images.embeddings.parts import part_name, write_part
from corpusloom.trainers.embedding.finish import check_folder, commit
from corpusloom.trainers.stream.reading.index import open_index
from tests.schemas.images.embeddings.sidecars import LACKING, MODEL, image_columns, random_embeddings
from tests.trainers.embedding.small import small_pairs


def test_parts_of_another_model_are_refused_and_a_finished_sidecar_too(tmp_path: Path) -> None:
    index = open_index(small_pairs(tmp_path / "pairs"))
    folder = str(tmp_path / "embeddings")
    check_folder(folder, index.digest, MODEL)
    identity = make_identity(index.digest, MODEL)
    write_part(f"{folder}/{part_name('images', 0)}", image_columns(0, 3), random_embeddings(3), identity, [LACKING])
    other = replace(MODEL, digest="n" * 64)
    check_folder(folder, index.digest, MODEL)
    with pytest.raises(InputError, match="parts of embeddings of another dataset, model or precision"):
        check_folder(folder, index.digest, other)
    commit(folder, index, MODEL, [replace(LACKING, number=-1)])
    manifest = read_embeddings_manifest(folder)
    assert (manifest.skipped, manifest.images[0].rows, manifest.scores) == (2, 3, ())
    check_folder(folder, index.digest, MODEL)
    with pytest.raises(InputError, match="another model"):
        check_folder(folder, index.digest, other)


def test_a_sidecar_without_an_image_is_not_committed(tmp_path: Path) -> None:
    index = open_index(small_pairs(tmp_path / "pairs"))
    folder = str(tmp_path / "embeddings")
    write_part(f"{folder}/{part_name('images', 0)}", image_columns(0, 0), random_embeddings(1)[:0], "id", [LACKING])
    with pytest.raises(InputError, match=r"no image has an embedding: .*truncated.*run loom verify"):
        commit(folder, index, MODEL, [])
