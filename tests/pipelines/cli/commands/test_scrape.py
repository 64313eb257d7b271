"""`loom scrape` checks its numbers first, then scrapes with exactly the flags that were given."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.small_web import SmallWeb


@pytest.mark.parametrize(("flag", "value"), [("--depth", "-1"), ("--max-pages", "0")])
def test_numbers_that_make_no_sense_are_refused_before_the_seeds_are_read(flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is {value}"):
        main.run(["scrape", "--seeds", "no/such/file", "--out", "out", "--contact", "me@example.org", flag, value])


def test_depth_and_pages_per_host_bound_what_is_scraped(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = tmp_path / "seeds.txt"
    seeds.write_text(web.server.world.seed_urls(web.server.port)[0])
    argv = ["scrape", "--seeds", str(seeds), "--contact", "me@example.org", "--delay", "0", "--json"]
    argv += ["--allow-addresses", f"127.0.0.0/8:{web.server.port}"]
    kept = []
    for name, flags in (("one", ["--depth", "0"]), ("two", ["--max-pages", "2"])):
        assert main.run([*argv, "--out", str(tmp_path / name), *flags]) == 0
        counts = json.loads(capsys.readouterr().out)["counts"]
        kept.append(sum(row["kept"] for row in counts if row["unit"] == "page"))
        assert list((tmp_path / name).glob("*.warc.gz"))
    assert kept == [1, 2]
