"""embeddings.json, the last file of a sidecar of embeddings: which model made it, of which dataset, in which files."""

import hashlib
import json
from dataclasses import dataclass

from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import InputError, VersionError
from corpusloom.schemas.guards import json_files

FORMAT_VERSION = 1
"""Version of the format of a sidecar of embeddings; readers refuse a newer one."""
NAME = "embeddings.json"
REMEDY = "delete the folder and run loom embed again"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingModel:
    """The model that made embeddings."""

    family: str
    path: str
    """Path of the checkpoint or model folder when the embeddings were made."""
    digest: str
    """sha256 over shape, vocabulary and weights; it does not depend on their path or layout."""
    width: int
    """Values per embedding."""
    image_size: int
    """Side of the square to which images are resized and cropped, in pixels."""
    dtype: str
    """Precision of the forward passes: fp32 or bf16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """One Parquet file of a sidecar."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsManifest:
    """The contents of embeddings.json."""

    format_version: int = FORMAT_VERSION
    dataset: str
    """Path of the dataset when the embeddings were made."""
    dataset_digest: str
    kind: str
    """Kind of the dataset's samples: interleaved, pairs, clips or regions."""
    model: EmbeddingModel
    images: tuple[PartEntry, ...]
    texts: tuple[PartEntry, ...]
    scores: tuple[PartEntry, ...]
    skipped: int
    """Images and texts without an embedding, which skipped.parquet lists."""

    @property
    def identity(self) -> str:
        """Identity of the embeddings, as in the metadata of every part."""
        return make_identity(self.dataset_digest, self.model)


def make_identity(dataset_digest: str, model: EmbeddingModel) -> str:
    """Return a short name of all that embeddings depend on: dataset, model, precision and format."""
    parts = [FORMAT_VERSION, dataset_digest, model.digest, model.dtype]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def default_folder(dataset: str) -> str:
    """Return the folder of a dataset's embeddings if none is named: DATASET.embeddings, beside it."""
    return dataset.rstrip("/") + ".embeddings"


def is_finished(folder: str) -> bool:
    """Return whether a folder is a complete sidecar of embeddings."""
    return storage.exists(storage.join(folder, NAME))


def read_embeddings_manifest(folder: str) -> EmbeddingsManifest:
    """Read a sidecar's embeddings.json; InputError if the folder has none, DamageError or VersionError for others."""
    path = storage.join(folder, NAME)
    if not is_finished(folder):
        unfinished = storage.is_folder(folder) and bool(storage.folders(folder))
        what = f"no {NAME}: " + ("the embeddings are unfinished" if unfinished else "no embeddings")
        remedy = "run loom embed again, which resumes" if unfinished else "loom embed DATASET --checkpoint PATH"
        raise InputError(what, where=folder, remedy=remedy)
    version = json_files.read_object(path, REMEDY, {"format_version": int})["format_version"]
    if version > FORMAT_VERSION:
        what = f"embeddings of format {version}, this corpusloom reads up to {FORMAT_VERSION}"
        raise VersionError(what, where=folder, remedy="upgrade corpusloom")
    return json_files.read_record(path, EmbeddingsManifest, REMEDY)


def write_embeddings_manifest(folder: str, manifest: EmbeddingsManifest) -> None:
    """Write embeddings.json, which commits the sidecar."""
    storage.write_bytes(storage.join(folder, NAME), json_files.seal(arrow.to_plain(manifest)))


def check_same(folder: str, dataset_digest: str, model: EmbeddingModel) -> None:
    """Raise InputError unless a finished sidecar is that of a dataset and a model."""
    found = read_embeddings_manifest(folder)
    check_fresh(found, folder, dataset_digest)
    if (found.model.digest, found.model.dtype) != (model.digest, model.dtype):
        other = "in another precision" if found.model.digest == model.digest else "by another model"
        what = f"holds embeddings {other}, {found.model.path} in {found.model.dtype}"
        raise InputError(what, where=folder, remedy="give another --out, or delete the folder")


def check_fresh(manifest: EmbeddingsManifest, folder: str, dataset_digest: str) -> None:
    """Raise InputError if the dataset has changed since its embeddings were made."""
    if manifest.dataset_digest != dataset_digest:
        what = "holds embeddings of an earlier state of the dataset, whose digest has changed since"
        raise InputError(what, where=folder, remedy="delete the folder and run loom embed again")
