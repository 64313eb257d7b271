"""`loom index` and `loom bench-stream`: from tars of others to a stream and its figures."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.trainers.stream.datasets import make_dataset, make_pairs


def test_tars_of_others_become_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tars = make_dataset(tmp_path / "tars", "pairs", make_pairs(12), shards=2)
    assert main.run(["index", f"{tars}/{{00000..00001}}.tar", "--out", str(tmp_path / "index"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 12
    assert len(list(StreamingDataset(str(tmp_path / "index"), on_error="raise"))) == 12


def reversed_members(data: bytes) -> bytes:
    """Return a tar of the same members and size in the reverse order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as source, tarfile.open(fileobj=out, mode="w") as target:
        for info in reversed(source.getmembers()):
            target.addfile(info, source.extractfile(info))
    return out.getvalue().rstrip(b"\0").ljust(len(data), b"\0")


@pytest.mark.parametrize("options", [[], ["--hashes", "--prefix-keys"]], ids=["plain", "hashes"])
def test_an_index_is_verified_against_its_tars(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tars = make_dataset(tmp_path / "tars", "pairs", make_pairs(12), shards=2)
    index, tar = str(tmp_path / "index"), tmp_path / "tars" / "00001.tar"
    assert main.run(["index", f"{tars}/{{00000..00001}}.tar", "--out", index, *options]) == 0
    for depth in ([], ["--quick"], ["--deep"]):
        capsys.readouterr()
        assert main.run(["verify", index, *depth]) == 0
        out = capsys.readouterr().out
        assert "whole" in out
        assert ("index with --hashes" in out) == (not options and depth != ["--quick"])

    whole = tar.read_bytes()
    tar.write_bytes(whole.replace(b"picture", b"changed"))
    assert main.run(["verify", index]) == (1 if options else 0), "without hashes nothing tells"
    assert main.run(["verify", index, "--quick"]) == 0
    tar.write_bytes(reversed_members(whole))
    capsys.readouterr()
    assert main.run(["verify", index]) == 1
    assert ("sha256 differs" if options else "differ from the index") in capsys.readouterr().err
    with pytest.raises(InputError, match="nothing to build it from"):
        main.run(["verify", index, "--repair"])
    tar.write_bytes(whole[:-1024])
    assert main.run(["verify", index, "--quick"]) == 1
    tar.unlink()
    assert main.run(["verify", index, "--quick"]) == 1
    assert "is missing" in capsys.readouterr().err


def test_throughput_by_stage_and_what_bounds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(24), shards=2)
    assert main.run(["bench-stream", data, "--samples", "16", "--batch-size", "4", "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert all(stage in text for stage in ("read", "parse", "decode", "batches", "bound by:"))
    assert main.run(["bench-stream", data, "--samples", "8", "--batch-size", "4", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["stages"]) == 4
