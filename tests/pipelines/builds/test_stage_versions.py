"""Code that shapes what a stage writes cannot change without the stage's version: builds would reuse old fragments.

After a change that may alter a record, a decision or a sample: raise EXTRACT_VERSION, SELECT_VERSION or SHARDS_VERSION
in pipelines/builds/plan.py, then run `make generated`. After one that cannot (a name, a moved function, a speed-up):
run the tests of what you changed and tests/pipelines/builds/test_same_bytes.py, then
`python -m tests.pipelines.builds.test_stage_versions --same-output`.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from corpusloom.pipelines.builds import plan
from tests.pipelines.code_hash import hash_of

ROOT = Path(__file__).parents[3]
FILE = Path(__file__).with_name("stage_versions.json")
Table = dict[str, tuple[int, dict[str, str]]]
"""Stage -> its version, and module -> hash."""

VERSIONS = {"extract": plan.EXTRACT_VERSION, "select": plan.SELECT_VERSION, "shards": plan.SHARDS_VERSION}
SHAPING: dict[str, tuple[str, ...]] = {
    "extract": (
        "pipelines/extract/**/*.py",
        "pipelines/extract/content/block_classifier.npz",
        "pipelines/net/exchange/decode.py",
        "pipelines/net/exchange/sniff.py",
        "pipelines/net/html_tags.py",
        "pipelines/net/permissions/*.py",
        "pipelines/stages/extract/extract.py",
        "pipelines/stages/extract/input_fragments.py",
        "pipelines/stages/kinds/*.py",
        "pipelines/stages/extract/list_pairs.py",
        "pipelines/stages/image_columns.py",
        "pipelines/stages/extract/remeasure.py",
        "pipelines/store/fragments.py",
        "pipelines/store/img2dataset.py",
        "pipelines/store/lists/*.py",
        "pipelines/store/warc/*.py",
        "schemas/urls/hosts.py",
        "schemas/identity.py",
        "schemas/records.py",
    ),
    "select": (
        "pipelines/dedup/components.py",
        "pipelines/dedup/key_hashes.py",
        "pipelines/dedup/union_find.py",
        "pipelines/recipes/deciding.py",
        "pipelines/stages/select/*.py",
        "pipelines/store/partitions.py",
        "pipelines/store/regroup.py",
        "schemas/verdicts.py",
    ),
    "shards": (
        "schemas/urls/redaction.py",
        "pipelines/dedup/decontamination.py",
        "pipelines/dedup/frequency.py",
        "pipelines/dedup/image_hashes.py",
        "pipelines/filters/c4.py",
        "pipelines/filters/image_rules.py",
        "pipelines/filters/pii.py",
        "pipelines/recipes/measuring.py",
        "pipelines/stages/scores/judging.py",
        "pipelines/stages/scores/placement.py",
        "pipelines/stages/scores/top_fraction.py",
        "pipelines/stages/selected_records.py",
        "pipelines/models/faces/*.py",
        "pipelines/stages/image_columns.py",
        "pipelines/stages/shard_records.py",
        "pipelines/stages/shards.py",
        "pipelines/store/dataset/samples.py",
        "pipelines/store/dataset/shard_files.py",
        "pipelines/store/dataset/tars.py",
        "pipelines/store/images/resize.py",
        "schemas/images/content_hash.py",
    ),
}
"""Per stage: the modules whose code shapes what it writes.

Filters have versions of their own for scores and blocks (test_versions.py). Those that edit or judge a kept page's
blocks and images stand here too, because the fingerprint of the shards stage has no version of theirs.
"""
NOT_SHAPING = {
    "pipelines/dedup/evaluation_sets.py": "the sets are in the fingerprint by their hashes",
    "pipelines/net/permissions/robots.py": "robots.txt is obeyed while pages and images are fetched",
    "pipelines/stages/extract/page_pool.py": "it runs the parser in other processes",
    "pipelines/stages/scrape/scrape.py": "it writes WARCs, which are inputs by their hashes",
    "pipelines/stages/scrape/scrape_lane.py": "it writes WARCs, which are inputs by their hashes",
    "pipelines/stages/select/memory_estimate.py": "it refuses a build and decides nothing",
    "pipelines/stages/units.py": "it runs units and reads none",
    "pipelines/store/dataset/card.py": "it describes a dataset that is written: each build writes it anew",
    "pipelines/store/dataset/columns.py": "it describes a dataset that is written: each build writes it anew",
    "pipelines/store/dataset/croissant.py": "it describes a dataset that is written: each build writes it anew",
    "pipelines/store/dataset/folder.py": "it commits a dataset that is written",
    "pipelines/store/dataset/origins.py": "it describes a dataset that is written: each build writes it anew",
    "pipelines/store/dataset/siblings.py": "it names datasets that are written",
    "pipelines/store/lists/checks.py": "it refuses lists and reads none",
    "pipelines/store/warc/writing.py": "it writes WARCs, which are inputs by their hashes",
}
"""Modules beside them that shape nothing of it, with the reason."""
HELD_ELSEWHERE = ("pipelines/dedup/exact.py", "pipelines/dedup/minhash.py")
"""Modules with a VERSION of their own."""
ROOMS = (
    "pipelines/dedup",
    "pipelines/net/permissions",
    "pipelines/stages",
    "pipelines/stages/kinds",
    "pipelines/stages/select",
    "pipelines/store/dataset",
    "pipelines/store/lists",
    "pipelines/store/warc",
)
"""Folders in which each module is held or has a reason why not."""


def modules(stage: str) -> list[str]:
    """Return the files that shape what a stage writes, as paths below the repository."""
    found = {path.relative_to(ROOT).as_posix() for pattern in SHAPING[stage] for path in ROOT.glob(pattern)}
    return sorted(path for path in found - NOT_SHAPING.keys() if not path.endswith("__init__.py"))


def hash_of_file(path: Path) -> str:
    """Return a hash of what a module does, or of the bytes of another file."""
    data = path.read_bytes()
    return hash_of(data.decode("utf-8")) if path.suffix == ".py" else hashlib.sha256(data).hexdigest()[:16]


def table() -> Table:
    """Return version and hashes of each stage."""
    return {
        stage: (version, {path: hash_of_file(ROOT / path) for path in modules(stage)})
        for stage, version in VERSIONS.items()
    }


def known() -> Table:
    """Return what the file holds."""
    return {stage: (version, held) for stage, (version, held) in json.loads(FILE.read_text("utf-8")).items()}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the files whose hashes differ, or that only one side has."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


@pytest.mark.parametrize("stage", VERSIONS)
def test_changed_code_has_another_version(stage: str) -> None:
    (version, before), (own, after) = known()[stage], table()[stage]
    assert (version, before) == (own, after), f"{stage}: {', '.join(changed(before, after))} changed. {__doc__}"


def test_each_module_beside_them_is_held_or_has_a_reason() -> None:
    held = {path for stage in VERSIONS for path in modules(stage)} | NOT_SHAPING.keys() | {*HELD_ELSEWHERE}
    found = {path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).glob("*.py")}
    missing = {path for path in found - held if not path.endswith("__init__.py")}
    assert not missing, "a module that shapes what a stage writes belongs into SHAPING, another one into NOT_SHAPING"


def test_no_pattern_and_no_reason_is_left_of_a_module_that_is_gone() -> None:
    assert [pattern for patterns in SHAPING.values() for pattern in patterns if not list(ROOT.glob(pattern))] == []
    assert [path for path in (*NOT_SHAPING, *HELD_ELSEWHERE) if not (ROOT / path).exists()] == []


def test_a_changed_module_of_the_same_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "versions.json"
    monkeypatch.setattr(sys.modules[__name__], "FILE", file)
    own = table()
    old = {stage: [version, {**held, "pipelines/gone.py": "0"}] for stage, (version, held) in own.items()}
    file.write_text(json.dumps(old))
    assert main([]) == 1
    assert "pipelines/gone.py" in capsys.readouterr().err
    assert known() != own
    assert main(["--same-output"]) == 0
    assert known() == own
    file.write_text(json.dumps({stage: [version - 1, held] for stage, (version, held) in old.items()}))  # type: ignore[operator]
    assert main([]) == 0
    assert known() == own


def main(words: list[str]) -> int:
    """Write the file anew; refuse for changed code of the same version."""
    before, after = known() if FILE.exists() else {}, table()
    forgotten = [
        f"{stage}: {', '.join(changed(before[stage][1], after[stage][1]))}"
        for stage in after
        if stage in before and before[stage][0] == after[stage][0] and before[stage] != after[stage]
    ]
    if forgotten and words != ["--same-output"]:
        print(f"same version, other code: {'; '.join(forgotten)}\n{__doc__}", file=sys.stderr)
        return 1
    FILE.write_text(json.dumps(after, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
