"""The table of benchmarks: every row names a reader, a metric and a form that exist."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.benchmarks.benchmark import benchmarks, find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import READERS
from corpusloom.trainers.flamingo.benchmarks.metrics import SCORED, WRITTEN
from corpusloom.trainers.flamingo.benchmarks.submission import FORMS


def test_the_papers_sixteen_benchmarks_have_readers_metrics_and_forms() -> None:
    assert len(benchmarks()) == 16
    for name, row in benchmarks().items():
        assert row.reader in READERS, name
        assert row.submission in FORMS, name
        assert row.metric in (*WRITTEN, *SCORED), name


def test_another_name_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean vqav2"):
        find("vqa2")
