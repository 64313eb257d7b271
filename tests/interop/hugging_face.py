"""Reads builds with Hugging Face `datasets` by their folders: mixed image formats, streamed and not.

    python tests/interop/hugging_face.py PYTHON_WITH_DATASETS

Prints one line per check. Needs no network: the images come from a folder as img2dataset writes it, and from a WARC.
"""

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.interop.environments import environment

COUNT = 30
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
READ = """
import json, sys, datasets
streaming = sys.argv[2] == "streamed"
loaded = datasets.load_dataset(sys.argv[1], split="train", streaming=streaming)
images = [name for name, kind in loaded.features.items() if isinstance(kind, datasets.Image)]
for name in images:
    loaded = loaded.cast_column(name, datasets.Image(decode=False))
for sample in loaded:
    members = {name: len(sample[name]["bytes"]) for name in images if sample[name] is not None}
    print(json.dumps({"key": sample["__key__"], "members": members, "json": sample["json"], "txt": sample.get("txt")}))
"""


def write_mixed_folder(folder: Path, told: range = range(COUNT)) -> str:
    """Write a folder in img2dataset's layout of files, with images of three formats, of which `told` have a text."""
    from PIL import Image

    from tests.pipelines.stages.extract.test_list_pairs import SIDE, text_of
    from tests.pipelines.store.store_maker import png

    (folder / "00000").mkdir(parents=True)
    for number in range(COUNT):
        name, extension = list(FORMATS.items())[number % 3]
        buffer = io.BytesIO()
        Image.open(io.BytesIO(png(number, SIDE))).save(buffer, name)
        stem = folder / "00000" / f"{number:09d}"
        stem.with_suffix(f".{extension}").write_bytes(buffer.getvalue())
        text = text_of(number) if number in told else ""
        stem.with_suffix(".txt").write_text(text)
        row = {"url": f"http://example.org/{number}", "caption": text, "key": f"{number:09d}"}
        stem.with_suffix(".json").write_text(json.dumps(row | {"status": "success"}))
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [json.loads(path.read_text()) for path in sorted((folder / "00000").glob("*.json"))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    return str(folder)


def build_all(scratch: Path) -> dict[str, tuple[str, int]]:
    """Build pairs of mixed formats, with and without texts, interleaved pages, regions and clips.

    Returns: kind -> (folder, samples).
    """
    from corpusloom.pipelines.builds.derived import regions
    from corpusloom.pipelines.recipes.recipe import load_recipe
    from tests.pipelines.small_web import QUIET, small_web
    from tests.pipelines.stages.extract.test_list_pairs import run

    pairs = run(scratch, "pairs", from_img2dataset=(write_mixed_folder(scratch / "in"),), shards=4)
    made = {"pairs": (str(scratch / "pairs"), pairs.samples)}
    for name, told in {"no texts": range(0), "some texts": range(COUNT // 2, COUNT)}.items():
        folder = write_mixed_folder(scratch / f"in {name}", told)
        built = run(scratch, name, recipe=load_recipe("images"), from_img2dataset=(folder,), shards=2)
        assert built.samples == COUNT
        made[name] = (str(scratch / name), built.samples)
    report = regions.build_dataset(
        made["pairs"][0], str(scratch / "regions"), str(scratch / "r.work"), QUIET, store=str(scratch / "pairs.store")
    )
    assert report.manifest is not None
    made["regions"] = (str(scratch / "regions"), report.manifest.samples)
    made["clips"] = build_clips(scratch / "clips")
    (scratch / "web").mkdir()
    with small_web(scratch / "web") as web:
        web.scrape()
        manifest = web.build(load_recipe("m3w"), "m3w", shards=2).manifest
    assert manifest is not None
    return made | {"interleaved": (str(scratch / "web" / "m3w"), manifest.samples)}


def build_clips(scratch: Path) -> tuple[str, int]:
    """Build clips of two videos; return their folder and number."""
    from corpusloom.pipelines.builds.config import BuildConfig
    from corpusloom.pipelines.builds.derived import clips
    from corpusloom.pipelines.net.config import FetchConfig
    from corpusloom.pipelines.recipes.recipe import load_recipe
    from tests.pipelines.small_web import QUIET
    from tests.pipelines.stages.clips.videos import regular, write_video

    (scratch / "in").mkdir(parents=True)
    write_video(scratch / "in" / "a.mp4", regular(40), title="a title")
    write_video(scratch / "in" / "b.mp4", regular(4))
    (scratch / "in" / "b.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:03.000\nspoken words\n")
    config = BuildConfig(
        recipe=load_recipe("vtp"), videos=(str(scratch / "in"),), out=str(scratch / "out"), work=str(scratch / "work"),
        store=str(scratch / "store"), fetch=FetchConfig(contact=None), workers=0,
    )  # fmt: skip
    manifest = clips.build_dataset(config, QUIET).manifest
    assert manifest is not None
    return str(scratch / "out"), manifest.samples


def members_of(folder: str) -> dict[str, tuple[dict[str, int], dict[str, object], str | None]]:
    """Return key -> (bytes of each image, JSON, text) as the tars hold them."""
    import tarfile

    found: dict[str, tuple[dict[str, int], dict[str, object], str | None]] = {}
    for path in sorted(Path(folder).glob("*.tar")):
        parts: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, field = member.name.partition(".")
                reader = tar.extractfile(member)
                assert reader is not None
                parts.setdefault(key, {})[field] = reader.read()
        for key, fields in parts.items():
            images = {name: len(data) for name, data in fields.items() if name.endswith(tuple(FORMATS.values()))}
            text = fields["txt"].decode() if "txt" in fields else None
            found[key] = images, json.loads(fields["json"]), text
    return found


def check(python: str, kind: str, folder: str, samples: int, how: str) -> None:
    """Check that a folder gives every sample with all its images, JSON values and text."""
    offline = environment(HF_HUB_OFFLINE="1", HF_HOME=f"{folder}.hf")
    done = subprocess.run(
        [python, "-c", READ, folder, how], capture_output=True, text=True, env=offline, timeout=300, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {row["key"].rpartition("/")[2]: (row["members"], row["json"], row["txt"]) for row in rows}
    if done.returncode or len(rows) != samples or found != members_of(folder):
        sys.stderr.write(done.stderr[-3000:])
        raise SystemExit(f"datasets, {kind}, {how}: exit {done.returncode}, {len(rows)} of {samples} samples")
    print(json.dumps({"check": f"load_dataset, {kind}, {how}", "samples": len(rows)}), flush=True)


def main(python: str) -> None:
    """Check every kind of dataset, streamed and loaded."""
    with tempfile.TemporaryDirectory() as scratch:
        made = build_all(Path(scratch))
        (formats,) = {tuple(sorted({name for images, *_ in members_of(made["pairs"][0]).values() for name in images}))}
        assert formats == ("jpg", "png", "webp"), formats
        for kind, (folder, samples) in made.items():
            for how in ("streamed", "loaded"):
                check(python, kind, folder, samples, how)


if __name__ == "__main__":
    main(sys.argv[1])
