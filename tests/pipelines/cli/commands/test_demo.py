"""`loom demo` checks its port first, and its exit code says whether the gates were met."""

import json
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.commands.demo import GATE
from corpusloom.pipelines.cli.demo import run as run_module
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.schemas.errors import ConfigError


@pytest.mark.parametrize("port", [0, 1 << 16])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"--port is {port}"):
        main.run(["demo", "--port", str(port)])


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, GATE)])
def test_the_exit_code_says_whether_the_gates_were_met(
    met: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Any] = []

    class Result:
        gates_met = met

        def to_plain(self) -> dict[str, bool]:
            return {"gates_met": met}

        def print(self) -> None:
            print("tables")

    def run(demo: DemoFolder) -> Result:
        made.append((demo.out, demo.quick, demo.port))
        return Result()

    monkeypatch.setattr(run_module, "run_demo", run)
    assert main.run(["demo", "--out", "there", "--quick", "--port", "65535"]) == code
    assert capsys.readouterr().out == "tables\n"
    assert main.run(["demo", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {"gates_met": met}
    assert made == [("there", True, 65535), ("demo", False, 8765)]
