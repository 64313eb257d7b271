"""Runs other projects' readers on our datasets, each in its own environment under .interop: `make interop`.

    python tests/interop/run.py [webdataset] [datasets] [img2dataset] [open_clip] [energon] | --all

Without names: webdataset, Hugging Face datasets and img2dataset; the other two install torch, each its own. A reader
prints one line per sample, with its key and the sha256 of each field (open_clip: of pixels and text); the lines must
equal those of the written samples.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.interop.environments import TORCHVISION, environment, python_of

REQUIREMENTS = {
    "webdataset": ["webdataset>=1"],
    "datasets": ["datasets>=4", "pillow"],
    "open_clip": ["webdataset<=0.2.86", "open_clip_torch>=3", "pandas", "torch"],
    "energon": ["megatron-energon>=7", "torch"],
    "img2dataset": ["img2dataset>=1.47"],
}
DEFAULT = ("webdataset", "datasets", "img2dataset")
SAMPLES = 40

READERS = {
    "webdataset": """
import glob, sys, webdataset
for sample in webdataset.WebDataset(sorted(glob.glob(sys.argv[1] + "/*.tar")), shardshuffle=False):
    show(sample["__key__"], {name: data for name, data in sample.items() if not name.startswith("__")})
""",
    "datasets": """
import json, sys, datasets
loaded = datasets.load_dataset("webdataset", data_files=sys.argv[1] + "/*.tar", split="train", streaming=True)
for sample in loaded.cast_column("png", datasets.Image(decode=False)):
    text = sample["txt"] if isinstance(sample["txt"], bytes) else sample["txt"].encode()
    info = json.dumps(sample["json"], sort_keys=True).encode()
    show(sample["__key__"], {"png": sample["png"]["bytes"], "txt": text, "json": info})
""",
    # As in open_clip_train, with an image transform and a tokenizer that return their input.
    "open_clip": TORCHVISION
    + """
import glob, json, os, sys
from types import SimpleNamespace
import torch
from open_clip_train.data import get_wds_dataset
tars = sorted(os.path.basename(tar) for tar in glob.glob(sys.argv[1] + "/*.tar"))
flags = SimpleNamespace(
    train_data=f"{sys.argv[1]}/{{{tars[0][:-4]}..{tars[-1][:-4]}}}.tar", train_num_samples=None, val_data=None,
    dataset_resampled=False, train_data_upsampling_factors=None, seed=0, workers=1, world_size=1, batch_size=8)
def image_of(image):
    return torch.frombuffer(bytearray(hashlib.sha256(image.convert("RGB").tobytes()).digest()), dtype=torch.uint8)
def text_of(text):
    return [torch.frombuffer(bytearray(hashlib.sha256(text.encode()).digest()), dtype=torch.uint8)]
for images, texts in get_wds_dataset(flags, image_of, True, tokenizer=text_of).dataloader:
    for image, text in zip(images, texts):
        print(bytes(image.tolist()).hex(), bytes(text.tolist()).hex())
""",
    "energon": """
import subprocess, sys
command = ["energon", "prepare", "--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CaptioningSample",
           "--field-map", '{"image": "png", "caption": "txt"}', sys.argv[1]]
subprocess.run([sys.executable.rsplit("/", 1)[0] + "/" + command[0], *command[1:]], check=True, stdout=sys.stderr)
import sqlite3
rows = sqlite3.connect(sys.argv[1] + "/.nv-meta/index.sqlite").execute(
    "select tar_file_id, sample_key, part_name, content_byte_offset, content_byte_size from sample_parts "
    "join samples using (tar_file_id, sample_index)").fetchall()
tars = list(__import__("json").load(open(sys.argv[1] + "/.nv-meta/.info.json"))["shard_counts"])
samples = {}
for tar, key, part, offset, size in rows:
    with open(sys.argv[1] + "/" + tars[tar], "rb") as handle:
        handle.seek(offset)
        samples.setdefault(key, {})[part] = handle.read(size)
for key, fields in samples.items():
    show(key, fields)
""",
}
SHOW = """
import hashlib
def show(key, fields):
    print(key, *(f"{name}={hashlib.sha256(data).hexdigest()}" for name, data in sorted(fields.items())))
"""


def make_samples() -> list[tuple[str, dict[str, bytes]]]:
    """Return pairs with PNG images, whose pixels are the same with any decoder."""
    from tests.trainers.stream.datasets import make_image, make_pairs

    return [
        (key, {"png": make_image(number, format="PNG"), "txt": fields["txt"], "json": fields["json"]})
        for number, (key, fields) in enumerate(make_pairs(SAMPLES))
    ]


def expected_lines(reader: str, samples: list[tuple[str, dict[str, bytes]]]) -> list[str]:
    """Return the lines that a reader must print, sorted."""
    if reader == "open_clip":
        return sorted(f"{pixels(fields['png'])} {digest(fields['txt'])}" for _, fields in samples)
    return sorted(
        " ".join((key, *(f"{name}={digest(data)}" for name, data in sorted(fields.items())))) for key, fields in samples
    )


def digest(data: bytes) -> str:
    """Return the sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def pixels(data: bytes) -> str:
    """Return the sha256 of an image's RGB pixels."""
    from PIL import Image

    return digest(Image.open(io.BytesIO(data)).convert("RGB").tobytes())


def check_without_texts(python: str) -> None:
    """Check that webdataset reads every member of a dataset that was built without texts."""
    from corpusloom.pipelines.recipes.recipe import load_recipe
    from tests.interop.hugging_face import write_mixed_folder
    from tests.pipelines.stages.extract.test_list_pairs import run, samples_of

    with tempfile.TemporaryDirectory() as scratch:
        folder = write_mixed_folder(Path(scratch) / "in", told=range(0))
        manifest = run(Path(scratch), "data", recipe=load_recipe("images"), from_img2dataset=(folder,), shards=2)
        command = [python, "-c", SHOW + READERS["webdataset"], f"{scratch}/data"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300, check=True)
        written = [(json.loads(fields["json"])["key"], fields) for fields in samples_of(Path(scratch) / "data")]
        assert len(written) == manifest.samples
        if sorted(done.stdout.splitlines()) != expected_lines("webdataset", written):
            raise SystemExit("webdataset: samples without texts are not read as written")
        print(json.dumps({"check": "webdataset, no texts", "samples": len(written)}), flush=True)


def check(reader: str) -> int:
    """Run one reader over a fresh dataset; return the number of samples that it read as they were written."""
    python = python_of(reader, REQUIREMENTS[reader])
    if reader == "img2dataset":  # img2dataset is not a reader; it has checks of its own
        from tests.interop.img2dataset import main as check_img2dataset

        return check_img2dataset(python)
    if reader == "datasets":
        from tests.interop.hugging_face import main as check_folders

        check_folders(python)
    if reader == "webdataset":
        check_without_texts(python)
    from tests.trainers.stream.datasets import make_dataset

    with tempfile.TemporaryDirectory() as scratch:
        samples = make_samples()
        make_dataset(Path(scratch) / "data", "pairs", samples)
        expected = expected_lines(reader, samples)
        offline = environment(HF_HUB_OFFLINE="1", HF_HOME=f"{scratch}/hf")
        command = [python, "-c", SHOW + READERS[reader], f"{scratch}/data"]
        done = subprocess.run(command, capture_output=True, text=True, env=offline, timeout=300, check=False)
        lines = sorted(line for line in done.stdout.splitlines() if line.strip())
        if done.returncode or lines != expected:
            sys.stderr.write(done.stderr[-3000:])
            raise SystemExit(
                f"{reader}: exit {done.returncode}, {len(set(lines) & set(expected))} of {SAMPLES} as written"
            )
        return len(lines)


def main(readers: list[str]) -> None:
    """Check the named readers, or the default ones."""
    readers = list(REQUIREMENTS) if readers == ["--all"] else readers
    unknown = set(readers) - set(REQUIREMENTS)
    if unknown:
        raise SystemExit(f"no such reader: {', '.join(sorted(unknown))}; known: {', '.join(REQUIREMENTS)}")
    for reader in readers or DEFAULT:
        print(json.dumps({"reader": reader, "samples": check(reader)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
