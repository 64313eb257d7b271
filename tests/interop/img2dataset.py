"""Runs img2dataset in its own environment: its folders are our input, it fetches for us, its pixels equal ours.

    python tests/interop/img2dataset.py PYTHON_WITH_IMG2DATASET [--write-parity]

Prints one line per check. Serves pictures on loopback and needs no network.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.interop.environments import environment

COUNT = 20
DOWNLOAD = """
import sys, img2dataset
img2dataset.download(url_list=sys.argv[1], input_format="parquet", url_col="url", caption_col="caption",
    output_folder=sys.argv[2], output_format=sys.argv[3], resize_mode="no", disable_all_reencoding=True,
    thread_count=8, number_sample_per_shard=8, timeout=5, enable_wandb=False)
"""


RESIZE = """
import hashlib, io, json, sys, cv2, numpy
from img2dataset.resizer import Resizer
digests = []
for height, width, mode, size, only in json.loads(sys.argv[1]):
    resizer = Resizer(image_size=size, resize_mode=mode, resize_only_if_bigger=only, encode_format="png",
        encode_quality=1)
    data, *_, error = resizer(io.BytesIO(open(f"{sys.argv[2]}/{height}x{width}.png", "rb").read()))
    pixels = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), 1)[:, :, ::-1]
    digests.append(hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16])
print(json.dumps(digests))
"""


def download(python: str, url_list: str, folder: str, output: str) -> None:
    """Write a folder with img2dataset."""
    command = [python, "-c", DOWNLOAD, url_list, folder, output]
    subprocess.run(command, check=True, capture_output=True, env=environment(NO_ALBUMENTATIONS_UPDATE="1"), timeout=120)


def check_folders(python: str, scratch: Path) -> None:
    """Check that a build from each of its layouts has the same samples and fetches nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.pipelines.image_server import image_server
    from tests.pipelines.stages.extract.test_list_pairs import run, text_of

    digests = set()
    with image_server() as server:
        rows = [{"url": f"{server.base}/{n}.png", "caption": text_of(n)} for n in range(COUNT)]
        rows += [{"url": f"{server.base}/nothing/{n}", "caption": text_of(n)} for n in range(3)]
        pq.write_table(pa.Table.from_pylist(rows), scratch / "list.parquet")
        for output in ("webdataset", "files", "parquet"):
            download(python, str(scratch / "list.parquet"), str(scratch / output), output)
            asked = server.asked.total()
            manifest = run(scratch, f"from-{output}", from_img2dataset=(str(scratch / output),))
            assert server.asked.total() == asked, "a build from a folder fetched"
            dead = next(row.dead for row in manifest.counts if (row.stage, row.unit) == ("extract", "record"))
            assert (manifest.samples, dead) == (COUNT, {"failed_to_download": 3}), (manifest.samples, dead)
            digests.add(tuple(entry.tar.sha256 for entry in manifest.shards))
            print(json.dumps({"check": f"folder, {output}", "samples": manifest.samples}), flush=True)
    assert len(digests) == 1, "the layouts gave different shards"


def check_engine(python: str, scratch: Path) -> None:
    """Check that it fetches a list into our store, without the URLs that our policy refuses."""
    from corpusloom.pipelines.engine.runners import Profile
    from corpusloom.pipelines.stages.fetch.from_lists import fetch_lists
    from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
    from corpusloom.pipelines.store.lists.list_config import ListConfig
    from tests.pipelines.image_server import image_server
    from tests.pipelines.small_web import QUIET

    os.environ["PATH"] = f"{Path(python).parent}:{os.environ['PATH']}"
    with image_server() as server:
        urls = [f"{server.base}/{n}.png" for n in range(COUNT)]
        urls += ["file:///etc/passwd", "http://169.254.169.254/latest", f"{server.base}/nothing"]
        (scratch / "list.txt").write_text("\n".join(urls))
        config = ImagesConfig(
            store=str(scratch / "store"), fetch=server.fetch, lanes=1, workers=0, fetcher="img2dataset"
        )
        report = fetch_lists((str(scratch / "list.txt"),), ListConfig(), config, QUIET, Profile())
    assert report.kept == COUNT, report
    assert report.rejected == {"address_not_public": 1, "scheme_not_allowed": 1}, report
    assert report.dead == {"failed_to_download": 1}, report
    print(json.dumps({"check": "engine", "kept": report.kept}), flush=True)


def check_pixels(python: str, scratch: Path) -> None:
    """Check that our pixels equal those of its Resizer in every case, and the recorded ones that `make test` reads."""
    from corpusloom.pipelines.store.images.resize import Resize, resize_pixels
    from tests.pipelines.store.images.test_resize import CASES, PARITY, digest_of, make_image, png_of

    for shape in {case[0] for case in CASES}:
        (scratch / f"{shape[0]}x{shape[1]}.png").write_bytes(png_of(make_image(*shape)))
    cases = [[*case[0], *case[1:]] for case in CASES]
    command = [python, "-c", RESIZE, json.dumps(cases), str(scratch)]
    offline = environment(NO_ALBUMENTATIONS_UPDATE="1")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=offline, timeout=120)
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = [
        digest_of(resize_pixels(make_image(*shape), Resize(mode=mode, size=size, only_if_bigger=only)))
        for shape, mode, size, only in CASES
    ]
    assert ours == theirs, f"{sum(a != b for a, b in zip(ours, theirs, strict=True))} of {len(ours)} differ"
    if "--write-parity" in sys.argv:
        PARITY.write_text(json.dumps(theirs, indent=1) + "\n")
    assert json.loads(PARITY.read_text()) == theirs, "run with --write-parity"
    print(json.dumps({"check": "pixels", "cases": len(theirs)}), flush=True)


def main(python: str) -> int:
    """Run every check with the Python that has img2dataset; return the number of checks."""
    checks = (check_folders, check_engine, check_pixels)
    for check in checks:
        with tempfile.TemporaryDirectory() as scratch:
            check(python, Path(scratch))
    return len(checks)


if __name__ == "__main__":
    main(sys.argv[1])
