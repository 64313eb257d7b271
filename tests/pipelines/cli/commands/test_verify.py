"""`loom verify` checks a dataset or an index, and its exit code says whether it is whole."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.small_web import SmallWeb
from tests.trainers.stream.datasets import make_dataset, make_pairs


def test_a_whole_dataset_is_named_whole_at_each_depth(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    align = str(web.folder / "align")
    for flags, depth in (([], "full"), (["--quick"], "quick"), (["--deep"], "deep")):
        assert main.run(["verify", align, *flags]) == 0
        assert capsys.readouterr().out == f"{align}: whole ({depth})\n"
    assert main.run(["verify", align, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"whole": True, "damage": []}


def test_quick_and_deep_contradict_each_other(web: SmallWeb) -> None:
    with pytest.raises(ConfigError, match="contradict"):
        main.run(["verify", str(web.folder / "align"), "--quick", "--deep"])


def test_damage_is_one_line_with_a_remedy_and_repair_removes_it(
    web: SmallWeb, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = next((web.folder / "align").glob("*.tar"))
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-1] + b"x")
    assert main.run(["verify", str(web.folder / "align")]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("damaged")]
    assert line.startswith(f"damaged: {tar.name}: ")
    assert "--repair" in line
    assert main.run(["verify", str(web.folder / "align"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert ([damage["where"] for damage in found["damage"]], found["whole"]) == ([tar.name], False)
    assert main.run(["verify", str(web.folder / "align"), "--repair"]) == 0
    assert tar.read_bytes() == whole


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
    with pytest.raises(InputError, match="which no build can repair"):
        main.run(["verify", index, "--repair"])
    tar.write_bytes(whole[:-1024])
    assert main.run(["verify", index, "--quick"]) == 1
    tar.unlink()
    assert main.run(["verify", index, "--quick"]) == 1
    assert "is missing" in capsys.readouterr().err
