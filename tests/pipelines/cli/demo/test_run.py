"""The demo fetches only from its own website, and reports a port that is in use."""

import socket
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.run import fetch_config, run_demo
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas.errors import LoomError


def test_the_fetcher_may_reach_the_demo_website_alone() -> None:
    config = fetch_config(DemoFolder("out", Reporter(quiet=True), quick=True, port=8123))
    assert config.allow_addresses == ("127.0.0.0/8:8123",)
    assert config.delay == 0


def test_a_port_that_is_taken_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LoomError, match=f"loopback port {port}.*give another --port"):
            run_demo(DemoFolder(str(tmp_path), Reporter(quiet=True), quick=True, port=port))
