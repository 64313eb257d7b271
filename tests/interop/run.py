"""Readers of others on our folders, each in its own environment under .interop: `make interop`.

    python tests/interop/run.py [webdataset] [datasets] [open_clip] [energon] [img2dataset]

Without names: webdataset, Hugging Face datasets and img2dataset. Each reader prints a line a sample, key and sha256
of each field; they must be what was written.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".interop"
REQUIREMENTS = {
    "webdataset": ["webdataset>=1"],
    "datasets": ["datasets>=4", "pillow"],
    "open_clip": ["webdataset<=0.2.86", "numpy"],
    "energon": ["megatron-energon>=7"],
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
for sample in loaded.cast_column("jpg", datasets.Image(decode=False)):
    text = sample["txt"] if isinstance(sample["txt"], bytes) else sample["txt"].encode()
    info = json.dumps(sample["json"], sort_keys=True).encode()
    show(sample["__key__"], {"jpg": sample["jpg"]["bytes"], "txt": text, "json": info})
""",
    # open_clip's get_wds_dataset needs torch and torchvision; this is the part of it that reads tars and groups.
    "open_clip": """
import glob, json, os, sys
from webdataset.tariterators import base_plus_ext, tar_file_expander, url_opener
sizes = json.load(open(sys.argv[1] + "/sizes.json"))
tars = sorted(glob.glob(sys.argv[1] + "/*.tar"))
assert sorted(sizes) == [os.path.basename(tar) for tar in tars]
samples = {}
for item in tar_file_expander(url_opener([{"url": tar} for tar in tars])):
    key, suffix = base_plus_ext(item["fname"])
    samples.setdefault(key, {})[suffix.lower()] = item["data"]
assert len(samples) == sum(sizes.values())
for key, fields in samples.items():
    show(key, fields)
""",
    "energon": """
import subprocess, sys
command = ["energon", "prepare", "--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CaptioningSample",
           "--field-map", '{"image": "jpg", "caption": "txt"}', sys.argv[1]]
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


def environment(reader: str) -> str:
    """Return the Python of a reader's environment, made and filled when it is not there."""
    folder = FOLDER / reader
    python = folder / "bin" / "python"
    done = folder / ".installed"
    wanted = "\n".join(REQUIREMENTS[reader])
    if not done.exists() or done.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *REQUIREMENTS[reader]], check=True)
        done.write_text(wanted)
    return str(python)


def write_samples(folder: Path) -> list[str]:
    """Write pairs as a dataset; return the lines that every reader must print."""
    from tests.trainers.stream.datasets import make_dataset, make_pairs

    samples = make_pairs(SAMPLES)
    make_dataset(folder, "pairs", samples)
    lines = []
    for key, fields in samples:
        hashes = (f"{name}={hashlib.sha256(data).hexdigest()}" for name, data in sorted(fields.items()))
        lines.append(" ".join((key, *hashes)))
    return sorted(lines)


def check(reader: str) -> int:
    """Run one reader over a fresh dataset; return how many samples it read as they were written."""
    if reader == "img2dataset":  # it writes: its folders are our input, it is our engine, its pixels are ours
        from tests.interop.img2dataset import main as check_img2dataset

        return check_img2dataset(environment(reader))
    with tempfile.TemporaryDirectory() as scratch:
        expected = write_samples(Path(scratch) / "data")
        offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": f"{scratch}/hf"}
        offline.pop("PYTHONPATH", None)
        command = [environment(reader), "-c", SHOW + READERS[reader], f"{scratch}/data"]
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
    sys.path.insert(0, str(ROOT))
    unknown = set(readers) - set(READERS)
    if unknown:
        raise SystemExit(f"no such reader: {', '.join(sorted(unknown))}; known: {', '.join(READERS)}")
    for reader in readers or DEFAULT:
        print(json.dumps({"reader": reader, "samples": check(reader)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
