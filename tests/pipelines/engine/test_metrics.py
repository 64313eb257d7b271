"""Metrics equal the ledger's counts, under the same names on every runner; logs are JSON lines."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.engine.logs import JsonLinesFormatter, without_secrets
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.stages.select.near_duplicate_graph import EDGES, MOVED
from corpusloom.schemas import arrow
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.command_line import loom
from tests.pipelines.small_web import SmallWeb, small_web

THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web, scraped, with a dataset of pairs."""
    with small_web(tmp_path_factory.mktemp("metrics")) as made:
        made.scrape()
        made.build("align", "align", shards=2)
        yield made


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the endpoint of a Beam job service."""
    from apache_beam.runners.portability.local_job_service import LocalJobServicer

    servicer = LocalJobServicer()
    yield f"127.0.0.1:{servicer.start_grpc_server(0)}"
    servicer.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", ["in process", "two workers", "job endpoint"])
def test_counters_are_the_ledgers_on_every_runner(web: SmallWeb, tmp_path: Path, endpoint: str, runner: str) -> None:
    options = (f"--job_endpoint={endpoint}", "--environment_type=LOOPBACK")
    profile = {
        "in process": Profile(),
        "two workers": Profile(beam_options=THREADS),
        "job endpoint": Profile(runner="portable", beam_options=options),
    }[runner]
    places = {name: str(tmp_path / name) for name in ("out", "work", "store")}
    report = web.build("m3w", "", profile=profile, shards=2, **places)
    source, quiet = str(web.folder / "align"), Reporter(quiet=True)
    places = (source, str(tmp_path / "r"), str(tmp_path / "w"))
    found = regions.build_dataset(*places, quiet, store=str(tmp_path / "store"), profile=profile, limit=1)
    assert report.manifest is not None
    assert found.manifest is not None
    facts = report.measures.counters.pop("images/facts/kept")
    edges = [report.measures.counters.pop(name, 0) for name in (EDGES, MOVED)]
    assert [number > 0 for number in edges] == [runner == "job endpoint"] * 2
    assert report.measures.counters == metrics.counters_of(report.manifest.counts)
    assert found.measures.counters == metrics.counters_of(found.manifest.counts)
    assert 0 < facts <= report.measures.counters["images/image/kept"]
    latencies = report.measures.latencies | found.measures.latencies
    works = {name: latency.count for name, latency in latencies.items()}
    images = sum(row.records_in for row in report.manifest.counts if row.unit == "image")
    assert 0 < works.pop("images/image/ms") <= images  # images in the WARC are not fetched
    assert works == {
        "extract/input/ms": 1,
        "images/facts/ms": 1,
        "shards/shard/ms": 2,
        "regions/detect/ms": 2,
        "regions/shard/ms": 2,
    }
    assert all(latency.least * latency.count <= latency.total for latency in latencies.values())


def test_logs_are_json_lines_and_the_summary_is_the_manifests(web: SmallWeb, tmp_path: Path) -> None:
    address = f"127.0.0.0/8:{web.server.port}"
    argv = ["build", "align", "--warc", str(web.folder / "crawl"), "--out", str(tmp_path / "o"), "--workers", "0"]
    argv += ["--store", str(web.folder / "store"), "--contact", "me@example.org", "--allow-addresses", address]
    ended = loom(*argv, "--log-format", "json", "--json")
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert ended.code == 0
    assert events[0]["text"].startswith("ALLOWED")
    named = [(event["event"], event.get("stage")) for event in events]
    for stage in ("extract", "select", "shards"):
        assert named.index(("stage started", stage)) < named.index(("stage finished", stage))
    manifest = read_manifest(str(tmp_path / "o"))
    counts = {name: value for event in events for name, value in event.get("counts", {}).items()}
    assert counts == {k: v for k, v in metrics.counters_of(manifest.counts).items() if not k.startswith("images/")}
    summary = json.loads(ended.out)["summary"]
    assert summary["stages"] == arrow.to_plain(manifest.counts)
    assert summary["bytes"] == sum(shard.tar.bytes for shard in manifest.shards)
    assert set(summary["stage_seconds"]) == {"extract", "select", "shards", "ledger and manifest"}
    assert {"event": "finished", **summary}.items() <= events[-1].items()
    (error,) = (json.loads(line) for line in loom("verify", str(tmp_path), "--log-format=json").err.splitlines())
    assert (error["event"], error["exit_code"], error["where"]) == ("error", 1, str(tmp_path))


def test_no_secret_of_a_url_is_logged() -> None:
    url = "s3://key:secret@bucket/a.tar?X-Amz-Signature=deadbeef"
    record = logging.makeLogRecord({"name": "corpusloom", "msg": "x", "fields": {"where": [url], "b": {"c": url}}})
    assert "secret" not in JsonLinesFormatter().format(record)
    assert "deadbeef" not in JsonLinesFormatter().format(record)
    assert without_secrets(f"cannot read '{url}' twice") == "cannot read 's3://bucket/a.tar?...' twice"
    assert without_secrets("why? https://example.org/a") == "why? https://example.org/a"
