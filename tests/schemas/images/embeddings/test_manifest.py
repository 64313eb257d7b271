"""embeddings.json: what it says comes back, and a sidecar of something else is told from the right one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError, InputError, VersionError
from corpusloom.schemas.images.embeddings.manifest import (
    NAME,
    check_fresh,
    check_same,
    default_folder,
    is_finished,
    make_identity,
    read_embeddings_manifest,
)
from tests.schemas.images.embeddings.sidecars import MODEL, random_embeddings, write_sidecar


@pytest.fixture
def sidecar(tmp_path: Path) -> str:
    return write_sidecar(tmp_path / "s", random_embeddings(5))


def test_what_was_written_is_read(sidecar: str) -> None:
    found = read_embeddings_manifest(sidecar)
    assert (found.model, found.kind, [part.rows for part in found.images]) == (MODEL, "pairs", [4, 1])
    assert is_finished(sidecar)
    assert found.identity == make_identity("d" * 64, MODEL)
    assert default_folder("data/align/") == "data/align.embeddings"


def test_the_identity_changes_with_dataset_model_and_precision() -> None:
    others = [replace(MODEL, digest="n" * 64), replace(MODEL, dtype="bf16")]
    names = {make_identity("d", MODEL), make_identity("e", MODEL), *(make_identity("d", other) for other in others)}
    assert len(names) == 4
    assert make_identity("d", replace(MODEL, path="moved")) == make_identity("d", MODEL)


def test_embeddings_of_another_state_or_model_are_refused(sidecar: str) -> None:
    check_same(sidecar, "d" * 64, replace(MODEL, path="moved"))
    with pytest.raises(InputError, match="digest has changed since"):
        check_fresh(read_embeddings_manifest(sidecar), sidecar, "e" * 64)
    with pytest.raises(InputError, match=r"by another model, runs/clip in fp32 \(give another --out"):
        check_same(sidecar, "d" * 64, replace(MODEL, dtype="bf16"))


def test_a_folder_without_embeddings_names_the_command(sidecar: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no embeddings \(loom embed DATASET"):
        read_embeddings_manifest(str(tmp_path / "none"))
    (Path(sidecar) / NAME).unlink()
    with pytest.raises(InputError, match=r"unfinished \(run loom embed again, which resumes"):
        read_embeddings_manifest(sidecar)


def test_a_newer_or_damaged_file_is_refused(sidecar: str) -> None:
    path = Path(sidecar) / NAME
    text = path.read_text()
    path.write_text(text.replace("runs/clip", "runs/clap"))
    with pytest.raises(DamageError, match="checksum differs"):
        read_embeddings_manifest(sidecar)
    path.write_text(json.dumps({"format_version": 2}))
    with pytest.raises(VersionError, match="format 2"):
        read_embeddings_manifest(sidecar)
