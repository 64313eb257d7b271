"""Profiles: Beam options that a runner needs, options that are refused before anything runs, and the error shown."""

import pytest

from corpusloom.pipelines.engine import extras, runners
from corpusloom.pipelines.engine.runners import (
    Profile,
    check_options,
    check_profile,
    dataflow_options,
    make_runner,
    run,
)
from corpusloom.schemas.errors import ConfigError, InputError, LoomError

DATAFLOW = Profile(runner="dataflow", beam_options=("--project=p", "--region", "r", "--temp_location=gs://bucket/tmp"))


def test_an_option_is_found_in_both_spellings() -> None:
    assert [DATAFLOW.option(name) for name in ("project", "region", "job_name")] == ["p", "r", None]
    assert Profile(beam_options=("--region",)).option("region") is None
    assert (Profile().local, DATAFLOW.local) == (True, False)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--no_such_option=1", "Beam has no option --no_such_option"),
        ("--job_nam=x", "did you mean --job_name"),
        ("--runner=FlinkRunner", "--runner must stand before --"),
        ("--runner=DaskRunner", "silently loses branches"),
    ],
)
def test_options_that_beam_does_not_take_are_refused(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options([option])


def test_options_that_beam_knows_pass() -> None:
    check_options([])
    check_options(["--job_endpoint=localhost:1", "--job-name=x", "--no_use_public_ips", "value"])


def test_a_portable_runner_needs_its_endpoint() -> None:
    with pytest.raises(ConfigError, match="job endpoint"):
        check_profile(Profile(runner="portable"))
    check_profile(Profile(runner="portable", beam_options=("--job_endpoint=localhost:1",)))
    check_profile(Profile(), folders=["/local"])


def test_dataflow_needs_a_project_a_region_and_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "DATAFLOW", ("json",))
    with pytest.raises(ConfigError, match=r"Dataflow needs project, region, temp_location .*--region=\.\.\."):
        check_profile(Profile(runner="dataflow"))
    check_profile(Profile(runner="dataflow"), dry_run=True)
    with pytest.raises(ConfigError, match="cannot reach this folder"):
        check_profile(DATAFLOW, folders=["gs://bucket/out", "/local"])
    check_profile(DATAFLOW, folders=["gs://bucket/out"])
    monkeypatch.setattr(extras, "DATAFLOW", ("no_such_module",))
    check_profile(Profile(runner="dataflow"), dry_run=True)
    with pytest.raises(ConfigError, match=r"corpusloom\[dataflow\]"):
        check_profile(DATAFLOW, folders=["gs://bucket/out"])


@pytest.mark.parametrize("place", ["/tmp/x", "s3://bucket/x", "gs://googbucket/x", "gs://a/", "gs://Bucket/x"])
@pytest.mark.parametrize("name", ["temp_location", "staging_location"])
def test_a_location_must_be_a_valid_bucket_even_in_a_dry_run(name: str, place: str) -> None:
    with pytest.raises(ConfigError, match="is no gs:// path of a valid bucket"):
        check_profile(Profile(runner="dataflow", beam_options=(f"--{name}={place}",)), dry_run=True)


def test_a_dry_run_fills_in_what_is_missing_and_nothing_else() -> None:
    assert dataflow_options(DATAFLOW) == [*DATAFLOW.beam_options, "--job_name=corpusloom"]
    found = dataflow_options(Profile(runner="dataflow", beam_options=("--project=p", "--job_name=mine")), dry_run=True)
    assert found == [
        "--project=p",
        "--job_name=mine",
        "--region=us-central1",
        "--temp_location=gs://placeholder/temp",
        "--dry_run=True",
    ]


def test_a_local_profile_runs_in_this_process() -> None:
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    runner, options = make_runner(Profile(beam_options=("--job_name=x",)))
    assert isinstance(runner, FnApiRunner)
    assert options == ["--job_name=x"]


def failing(error: BaseException) -> LoomError:
    """Return the error of a pipeline whose only step raises."""
    import apache_beam as beam

    def step(_: int) -> None:
        raise error

    with pytest.raises(LoomError) as caught:
        run(lambda pipeline: pipeline | beam.Create([1]) | beam.Map(step), Profile())
    return caught.value


def test_an_error_of_ours_comes_out_as_it_was_raised() -> None:
    found = failing(InputError("not a WARC", where="a.warc.gz", remedy="fetch it again"))
    assert (type(found), found.what, found.where) == (InputError, "not a WARC", "a.warc.gz")


def test_an_error_of_the_system_is_named_with_its_path() -> None:
    found = failing(PermissionError(13, "Permission denied", "/locked"))
    assert (found.what, found.where) == ("Permission denied", "/locked")


def test_a_missing_library_on_dataflow_names_the_extra() -> None:
    error = ImportError("No module named 'apitools'")
    found = runners._cause([RuntimeError("wrapped [while running 'x']"), error], DATAFLOW)
    assert (type(found), found.remedy) == (ConfigError, "pip install 'corpusloom[dataflow]'")
