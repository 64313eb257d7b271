"""Lists on the Hugging Face hub, by hf:// paths: a server on loopback answers as the hub does."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.store.lists.formats import find_lists
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.hub_server import HubServer, hub_server
from tests.pipelines.image_server import image_server

TOKEN = "hf_aSecretOfTheTest"
FOLDER = "hf://datasets/owner/name/data"


def parquet(*urls: str) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"URL": urls}), buffer)
    return buffer.getvalue()


def loom(hub: HubServer, token: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in another process: the hub's client reads the environment when it is imported."""
    told = {"HF_ENDPOINT": hub.base, "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "corpusloom", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **told}, timeout=200)


def test_a_folder_of_a_gated_dataset_is_built_and_its_token_is_written_nowhere(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    with image_server() as images:
        lists = {f"data/{n}.parquet": parquet(f"{images.base}/{n}.png") for n in range(2)}
        address = images.base.removeprefix("http://")
        argv = [
            "build",
            "images",
            "--list",
            FOLDER,
            "--url-column",
            "URL",
            "--out",
            out,
            "--workers",
            "0",
            "--lanes",
            "1",
        ]
        argv += ["--contact", "me@example.org", "--allow-addresses", address, "--delay", "0"]
        with hub_server("owner/name", {**lists, "README.md": b"x"}, TOKEN) as hub:
            done, refused = loom(hub, TOKEN, *argv), loom(hub, "", *argv)
    assert done.returncode == 0, done.stderr
    assert read_manifest(out).samples == 2
    assert refused.returncode == 1
    assert "HF_TOKEN" in refused.stderr or "authenticated" in refused.stderr
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not [data for data in (*written, done.stdout.encode(), done.stderr.encode()) if TOKEN.encode() in data]


def test_without_the_hub_s_client_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "hf", raising=False)
    with pytest.raises(InputError, match=r"pip install 'corpusloom\[hf\]'"):
        find_lists((FOLDER,))
