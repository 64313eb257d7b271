"""The digest stays the same when bundles are replayed or retried, and with other workers, engines, files and orders."""

import os
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.builds.plan import plan
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.engine import runners
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.stages import units
from corpusloom.pipelines.store import regroup
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.small_web import QUIET, SmallWeb, small_web

pytestmark = pytest.mark.timeout(900)  # each test builds three datasets, perhaps on a busy machine
ROOT = Path(__file__).parents[3]
KINDS = ("m3w", "align", "regions")
"""A recipe for each kind of sample that a recipe can build."""


def build_all(web: SmallWeb, folder: Path, **changes: Any) -> dict[str, str]:
    """Build a dataset of each kind below a folder; return their digests, each dataset verified."""
    profile = changes.get("profile", Profile())
    for name in ("m3w", "align"):
        web.build(name, name, out=str(folder / name), work=str(folder / "work"), shards=4, **changes)
    source, work = str(folder / "align"), str(folder / "work")
    store = changes.get("store", str(folder / "store"))
    regions.build_dataset(source, str(folder / "regions"), work, QUIET, store=store, profile=profile, limit=2)
    for name in KINDS:
        assert list(verify(str(folder / name))) == []
        assert all(row.unaccounted == 0 for row in read_manifest(str(folder / name)).counts)
    return {name: read_manifest(str(folder / name)).digest for name in KINDS}


IN_A_PROCESS = """
import pickle, sys
from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.derived import regions
from tests.pipelines.small_web import QUIET

configs, places, store = pickle.load(open(sys.argv[1], "rb"))  # written by this test; no file of others is unpickled
for config in configs:
    build.build(config, QUIET)
regions.build_dataset(*places, QUIET, store=store, limit=2)
"""


def build_all_in_a_process(web: SmallWeb, folder: Path, store: Path | None, **environment: str) -> dict[str, str]:
    """Build a dataset of each kind in a process with other environment variables; return the digests."""
    changes = {"store": str(store)} if store else {}
    names = ("m3w", "align")
    work = str(folder / "work")
    configs = [web.config(name, name, out=str(folder / name), work=work, shards=4, **changes) for name in names]
    places = (str(folder / "align"), str(folder / "regions"), work)
    folder.mkdir()
    (folder / "build.pickle").write_bytes(pickle.dumps((configs, places, str(store or folder / "store"))))
    command = [sys.executable, "-c", IN_A_PROCESS, str(folder / "build.pickle")]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **environment})
    return {name: read_manifest(str(folder / name)).digest for name in KINDS}


def split_warc(path: Path, folder: Path, parts: int) -> list[Path]:
    """Cut a WARC at the borders of its records; return the parts."""
    data = path.read_bytes()
    with path.open("rb") as handle:
        places = [record.stream_pos for record in ArchiveIterator(handle, parse_http=False)]
    cuts = [places[len(places) * part // parts] for part in range(parts)] + [len(data)]
    paths = [folder / f"part-{number}.warc.gz" for number in range(parts)]
    for made, start, end in zip(paths, cuts, cuts[1:], strict=False):
        made.write_bytes(data[start:end])
    return paths


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web, scraped."""
    with small_web(tmp_path_factory.mktemp("web")) as made:
        made.scrape()
        yield made


@pytest.fixture(scope="module")
def plain(web: SmallWeb) -> dict[str, str]:
    """Return the digests of a plain build."""
    return build_all(web, web.folder / "plain")


def test_replayed_bundles_give_the_same_bytes(web: SmallWeb, plain: dict[str, str], tmp_path: Path) -> None:
    profile = Profile(beam_options=("--direct_runner_bundle_repeat=3",))
    assert build_all(web, tmp_path, profile=profile) == plain


def _fails_twice(
    process: Callable[..., Any], failed: Counter[str], name_of: Callable[[Any], str]
) -> Callable[..., Any]:
    """Return a DoFn's `process` that fails after its work, the first two times for each name."""

    def lossy(self: Any, element: Any) -> Iterator[Any]:
        made = list(process(self, element) or ())
        name = name_of(self)
        if failed[name] < 2:
            failed[name] += 1
            raise RuntimeError("the worker was lost after its work")
        yield from made

    return lossy


def test_bundles_that_fail_and_are_retried_give_the_same_bytes(
    web: SmallWeb, plain: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

    failed: Counter[str] = Counter()
    finish, spill = units._FinishUnit, regroup._SpillRecords
    monkeypatch.setattr(finish, "process", _fails_twice(finish.process, failed, lambda fn: fn._work.stage))
    monkeypatch.setattr(spill, "process", _fails_twice(spill.process, failed, lambda _: "spill"))
    monkeypatch.setattr(runners, "make_runner", lambda profile, **_: (BundleBasedDirectRunner(), []))
    profile = Profile(runner="portable")  # so that the engine decides as well
    assert build_all(web, tmp_path, profile=profile) == plain
    assert failed == dict.fromkeys(("extract", "shards", "regions", "spill"), 2)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_bytes(
    web: SmallWeb, plain: dict[str, str], tmp_path: Path, workers: int
) -> None:
    options = ("--direct_running_mode=multi_threading", f"--direct_num_workers={workers}")
    assert build_all(web, tmp_path, workers=workers, profile=Profile(beam_options=options)) == plain


def test_threads_blas_kernel_and_locale_do_not_change_the_bytes(
    web: SmallWeb, plain: dict[str, str], tmp_path: Path
) -> None:
    variables = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "OPENBLAS_CORETYPE": "Prescott"}
    variables |= {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7"}
    assert build_all_in_a_process(web, tmp_path / "there", None, **variables) == plain


def test_a_store_that_another_kind_of_cpu_filled_gives_the_bytes_that_it_gave_there(
    web: SmallWeb, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    there = build_all_in_a_process(web, tmp_path / "there", store, ONEDNN_MAX_CPU_ISA="SSE41")
    assert build_all(web, tmp_path / "here", store=str(store)) == there


def test_three_passes_give_the_same_bytes(web: SmallWeb, plain: dict[str, str], tmp_path: Path) -> None:
    report = web.build("m3w", "m3w", out=str(tmp_path / "m3w"), work=str(tmp_path / "work"), shards=4, passes=3)
    assert report.manifest is not None
    assert report.manifest.digest == plain["m3w"]
    assert not list((tmp_path / "work").glob(".scratch-*"))


def test_a_build_that_does_not_fit_is_refused_before_it_decides(web: SmallWeb, tmp_path: Path) -> None:
    config = web.config("align", "small", work=str(tmp_path), memory=10**6)
    with pytest.raises(LoomError, match=r"this shuffle needs about .* GB of memory, more than 0\.001 GB"):
        build.build(config, QUIET, until="select")


def test_another_engine_over_a_job_endpoint_gives_the_same_bytes(
    web: SmallWeb, plain: dict[str, str], tmp_path: Path
) -> None:
    """The portable runner submits jobs as it does to Flink or Spark; groupings are the engine's own."""
    from apache_beam.runners.portability.local_job_service import LocalJobServicer

    servicer = LocalJobServicer()
    port = servicer.start_grpc_server(0)
    options = (f"--job_endpoint=127.0.0.1:{port}", "--environment_type=LOOPBACK")
    assert build_all(web, tmp_path, profile=Profile(runner="portable", beam_options=options)) == plain
    assert not list((tmp_path / "work").glob("stages/select-*/spill"))


def test_other_files_in_another_order_give_the_same_bytes(web: SmallWeb, plain: dict[str, str], tmp_path: Path) -> None:
    parts = split_warc(next((web.folder / "crawl").glob("*.warc.gz")), tmp_path, 5)
    joined = tmp_path / "0.warc.gz"
    joined.write_bytes(b"".join(path.read_bytes() for path in reversed(parts[2:])))
    assert build_all(web, tmp_path, warcs=(*map(str, reversed(parts[:2])), str(joined))) == plain


def test_a_dataset_that_grew_equals_one_built_at_once(web: SmallWeb, plain: dict[str, str], tmp_path: Path) -> None:
    parts = [str(path) for path in split_warc(next((web.folder / "crawl").glob("*.warc.gz")), tmp_path, 3)]
    first = build_all(web, tmp_path / "first", warcs=tuple(parts[:2]))
    assert all(first[name] != plain[name] for name in KINDS)
    grown = tmp_path / "grown"
    shutil.copytree(tmp_path / "first" / "work", grown / "work")
    fragments = {path: path.stat().st_mtime_ns for path in grown.glob("work/stages/warcs-*/records/*")}
    assert len({path.parent for path in fragments}) == 2
    for name in ("m3w", "align"):
        config = web.config(name, name, out=str(grown / name), work=str(grown / "work"), shards=4, warcs=tuple(parts))
        assert "1 of 3 WARCs are new" in dict(plan(config))["extract"]
    assert build_all(web, grown, warcs=tuple(parts)) == plain
    assert all(path.stat().st_mtime_ns == time for path, time in fragments.items())
