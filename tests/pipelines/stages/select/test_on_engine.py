"""Select on an engine: several pipelines, of which a second run repeats only what the first did not finish."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.runners import BuildPipeline, Profile, make_pipeline, run
from corpusloom.pipelines.stages.select import on_engine
from corpusloom.pipelines.stages.select.near_duplicate_graph import EDGES, MOVED
from corpusloom.pipelines.stages.select.on_engine import EngineSelect, run_select, select_of
from corpusloom.pipelines.stages.select.steps import Judge, KeepOne, KeepOneOfNearDuplicates, Step
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rule
from tests.pipelines.stages.select.bodies import read_heads, write_fragments

STEPS: tuple[Step, ...] = (
    Judge("Judge", (Rule(reason="few", score="words", minimum=1.0),)),
    KeepOneOfNearDuplicates("One of near-duplicates", distinct=True),
    KeepOne("One per text", "text_key", "duplicate_text"),
)


def heads(number: int = 40) -> list[Head]:
    """Return heads that form one path of near-duplicates, 10 apart; the last has too few words."""
    return [
        Head(
            unit="page",
            key=f"{n * 2654435761 % (1 << 32):08x}" + "0" * 24,
            parent=str(n),
            url="u",
            text_key=str(n),
            bands=(f"{n // 10}-{n % 10}", f"{n // 10}-{n % 10 + 1}"),
            scores={"words": 0.0 if n == number - 1 else 5.0},
        )
        for n in range(number)
    ]


def stage(tmp_path: Path, steps: tuple[Step, ...] = STEPS) -> EngineSelect:
    return select_of(steps, write_fragments(heads(), tmp_path, 7), str(tmp_path / "out"), str(tmp_path / "between"))


def expected() -> dict[str, tuple[str | None, float | None]]:
    """Return reason and measured value of each head, by hand: ten heads a path, nine in the last."""
    found: dict[str, tuple[str | None, float | None]] = {}
    rows = heads()
    for start in range(0, 40, 10):
        path = rows[start : start + 10] if start < 30 else rows[start:39]
        first = min(path, key=lambda head: head.key)
        for head in path:
            found[head.key] = (None, None) if head is first else ("near_duplicate", float(len(path)))
    found[rows[39].key] = ("few", 0.0)
    return found


def told(folder: Path) -> dict[str, tuple[str | None, float | None]]:
    return {head.key: (head.reason, head.measured) for head in read_heads(folder)}


@dataclass
class Runs:
    """Runs pipelines and counts them; the one after `most` is interrupted before it begins."""

    most: int = 99
    number: int = 0

    def __call__(self, build: BuildPipeline) -> Measures:
        if self.number == self.most:
            raise KeyboardInterrupt
        self.number += 1
        return run(build, Profile())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return the folder of a select that nothing interrupted, and the number of its pipelines."""
    folder, runs = tmp_path_factory.mktemp("whole"), Runs()
    run_select(runs, stage(folder))
    return folder, runs.number


def test_paths_of_near_duplicates_are_clustered_and_nothing_is_left_between(whole: tuple[Path, int]) -> None:
    folder, pipelines = whole
    assert told(folder / "out") == expected()
    assert not (folder / "between").exists()
    assert not (folder / "out" / "spill").exists()
    assert 4 <= pipelines <= 8  # edges, rounds, roots


def test_decisions_are_ranges_of_keys_in_the_order_of_the_files(whole: tuple[Path, int], tmp_path: Path) -> None:
    assert stage(tmp_path).parts == 1 + 6 // on_engine.FRAGMENTS_PER_PART == 2
    assert len(list((whole[0] / "out").glob("*.parquet"))) == 2
    keys = [head.key for head in read_heads(whole[0] / "out")]
    assert keys == sorted(keys)
    assert len(keys) == 40


def test_a_killed_select_is_continued_after_its_last_finished_pipeline(whole: tuple[Path, int], tmp_path: Path) -> None:
    for _ in range(2):  # each run finishes one pipeline
        with pytest.raises(KeyboardInterrupt):
            run_select(Runs(most=1), stage(tmp_path))
    last = Runs()
    run_select(last, stage(tmp_path))
    assert last.number == whole[1] - 2
    assert told(tmp_path / "out") == expected()


def test_a_file_of_a_killed_round_is_removed_before_the_round_runs_again(tmp_path: Path) -> None:
    made = stage(tmp_path)
    left = Path(made.edges(1)) / "part-00099.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    run_select(partial(run, profile=Profile()), made)
    assert told(tmp_path / "out") == expected()


def test_an_engine_without_counters_is_an_error_and_not_a_wrong_answer(tmp_path: Path) -> None:
    def silent(build: BuildPipeline) -> Measures:
        run(build, Profile())
        return Measures()

    with pytest.raises(LoomError, match="the engine reports no counters"):
        run_select(silent, stage(tmp_path))


def test_rounds_that_do_not_end_are_an_error(tmp_path: Path) -> None:
    def moving(build: BuildPipeline) -> Measures:
        return Measures(counters={EDGES: 5, MOVED: 1})

    made = stage(tmp_path)
    Path(made.between()).mkdir()
    Path(f"{made.edges(0)}.json").write_text('{"rows": 5}')
    with pytest.raises(LoomError, match="not clustered after 40 rounds"):
        run_select(moving, made)


def test_without_near_duplicates_one_pipeline_decides(tmp_path: Path) -> None:
    runs = Runs()
    run_select(runs, stage(tmp_path, (STEPS[0], STEPS[2])))
    assert runs.number == 1
    assert sum(reason is None for reason, _ in told(tmp_path / "out").values()) == 39


def test_the_graph_does_not_grow_with_the_number_of_fragments(tmp_path: Path) -> None:
    sizes = []
    for number in (1_000, 100_000):
        made = select_of(STEPS, [f"{n:09d}.parquet" for n in range(number)], "out", "between")
        graphs = [make_pipeline(build, Profile()).to_runner_api() for build in made.pipelines().values()]
        sizes.append([graph.ByteSize() for graph in graphs])
    assert max(sizes[1]) < 200_000
    assert [abs(a - b) < 100 for a, b in zip(*sizes, strict=True)] == [True] * 3
