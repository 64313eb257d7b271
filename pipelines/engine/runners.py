"""Beam runners: a profile names the runner and its options, is checked before a build, and runs pipelines."""

import difflib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import tyro

from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.metrics import Measures, read_measures
from corpusloom.schemas.errors import ConfigError, LoomError, shortage_of

if TYPE_CHECKING:
    import apache_beam as beam

BuildPipeline: TypeAlias = "Callable[[beam.Pipeline], object]"
"""Function that adds its transforms to a pipeline."""
Runner = Literal["local", "dataflow", "portable"]

BUCKET = re.compile(r"gs://(?!goog)[a-z0-9][a-z0-9_.-]{1,220}[a-z0-9](/.*)?")
"""A gs:// path by Google's naming rules. Checked here, since for an invalid bucket Beam waits for the network first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A runner and its Beam options."""

    runner: Runner = "local"
    """local: this process. dataflow: Google Cloud. portable: a job endpoint (Flink, Spark). Beam's DaskRunner is
    refused, because it silently loses branches and tagged outputs."""
    beam_options: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options of Beam, which follow `--` on the command line; one that Beam does not know is an error."""

    @property
    def local(self) -> bool:
        """Return whether everything runs in this process."""
        return self.runner == "local"

    def option(self, name: str) -> str | None:
        """Return the value of an option of Beam, or None if it is not given."""
        for index, word in enumerate(self.beam_options):
            if word.startswith(f"--{name}="):
                return word.split("=", 1)[1]
            if word == f"--{name}" and index + 1 < len(self.beam_options):
                return self.beam_options[index + 1]
        return None


def check_options(options: Sequence[str]) -> None:
    """Raise ConfigError for an option that Beam does not know (Beam itself only logs it)."""
    if not options:
        return
    from apache_beam.options.pipeline_options import PipelineOptions

    if any("DaskRunner" in option for option in options):
        raise ConfigError(
            "Beam's DaskRunner silently loses branches and tagged outputs",
            where="--runner",
            remedy="use --runner local, dataflow or portable",
        )
    if any(option.split("=")[0] == "--runner" for option in options):
        raise ConfigError(
            "--runner must stand before --", where="after --", remedy="use --runner local, dataflow or portable"
        )
    known = PipelineOptions([]).get_all_options()
    for option in options:
        name = option.split("=")[0].removeprefix("--").removeprefix("no_").replace("-", "_")
        if option.startswith("--") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean --{near[0]}?" if near else "see Beam's options"
            raise ConfigError(f"Beam has no option {option.split('=')[0]}", where="after --", remedy=remedy)


def check_profile(profile: Profile, *, folders: Sequence[str] = (), dry_run: bool = False) -> None:
    """Raise ConfigError if a profile lacks what its runner needs, before anything runs.

    Args:
      profile: The runner and Beam's options.
      folders: Folders that the build reads and writes; remote workers must reach them.
      dry_run: Nothing will be submitted, so project, region and bucket may be missing.
    """
    if profile.runner == "portable" and profile.option("job_endpoint") is None:
        raise ConfigError(
            "a portable runner needs its job endpoint",
            where="--runner portable",
            remedy="add: -- --job_endpoint=HOST:PORT --environment_type=LOOPBACK (or DOCKER, EXTERNAL)",
        )
    if profile.runner == "dataflow":
        _check_dataflow(profile, folders, dry_run)


def _check_dataflow(profile: Profile, folders: Sequence[str], dry_run: bool) -> None:
    for name in ("temp_location", "staging_location"):
        path = profile.option(name)
        if path is not None and not BUCKET.fullmatch(path):
            raise ConfigError(
                f"{path} is no gs:// path of a valid bucket", where=f"--{name}", remedy="use gs://BUCKET/DIR"
            )
    if dry_run:
        return
    missing = [name for name in ("project", "region", "temp_location") if profile.option(name) is None]
    if missing:
        flags = " ".join(f"--{name}=..." for name in missing)
        raise ConfigError(f"Dataflow needs {', '.join(missing)}", where="--runner dataflow", remedy=f"add: -- {flags}")
    for folder in folders:
        if not folder.startswith("gs://"):
            raise ConfigError(
                "Dataflow's workers cannot reach this folder", where=folder, remedy="use gs://BUCKET/DIR everywhere"
            )
    extras.require("dataflow", extras.DATAFLOW, "--runner dataflow")


def dataflow_options(profile: Profile, *, dry_run: bool = False) -> list[str]:
    """Return Beam's options for Dataflow; a dry run gets placeholders for missing ones."""
    options = list(profile.beam_options)
    if dry_run:
        placeholders = {"project": "placeholder", "region": "us-central1", "temp_location": "gs://placeholder/temp"}
        options += [f"--{name}={value}" for name, value in placeholders.items() if profile.option(name) is None]
        options.append("--dry_run=True")
    if profile.option("job_name") is None:
        options.append("--job_name=corpusloom")
    return options


def make_runner(profile: Profile, *, dry_run: bool = False) -> tuple[Any, list[str]]:
    """Return Beam's runner for a profile, and its options."""
    if profile.runner == "portable":
        from apache_beam.runners.portability.portable_runner import PortableRunner

        return PortableRunner(), list(profile.beam_options)
    if profile.runner == "dataflow":
        os.environ.setdefault("NO_GCE_CHECK", "true")  # otherwise Beam asks a metadata server for the project
        os.environ.setdefault("GCE_METADATA_HOST", "127.0.0.1:9")
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

        return DataflowRunner(), dataflow_options(profile, dry_run=dry_run)
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner(), list(profile.beam_options)


def make_pipeline(build: BuildPipeline, profile: Profile, *, dry_run: bool = False) -> Any:
    """Return the pipeline that `build` makes, ready to run on a profile's runner."""
    import logging

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # errors are shown as one line, not as its tracebacks
    runner, options = make_runner(profile, dry_run=dry_run)
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(options, save_main_session=False))
    build(pipeline)
    return pipeline


def run(build: BuildPipeline, profile: Profile) -> Measures:
    """Build a pipeline with `build`, run it to its end and return its metrics.

    Raises LoomError with the first cause of a failure.
    """
    pipeline = make_pipeline(build, profile)
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:
        chain = _chain(error)
        if any(isinstance(found, KeyboardInterrupt) for found in chain):
            raise KeyboardInterrupt from error
        raise _cause(chain, profile) from error
    if state is not None and state != "DONE":
        raise LoomError(f"the job ended as {state}", where=f"--runner {profile.runner}", remedy="see the runner's log")
    return read_measures(result)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes."""
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(below)
    return chain


def _cause(chain: list[BaseException], profile: Profile) -> LoomError:
    """Return the LoomError that a DoFn raised, without Beam's wrapping; any other error becomes a LoomError.

    Beam raises a copy of an error with the step's name in its text; the original is the copy's context.
    """
    originals = [found for found in chain if "[while running" not in str(found)]
    ours = next((found for found in originals if isinstance(found, LoomError)), None)
    if ours is not None:
        return ours
    shortage = shortage_of(chain[0])
    if shortage is not None:
        return shortage
    missing = next((found for found in originals if isinstance(found, ImportError)), None)
    if missing is not None and profile.runner == "dataflow":
        return ConfigError(str(missing), where="--runner dataflow", remedy="pip install 'corpusloom[dataflow]'")
    refused = next((found for found in originals if isinstance(found, OSError) and found.strerror), None)
    if isinstance(refused, OSError):
        return LoomError(str(refused.strerror), where=str(refused.filename or "Beam pipeline"))
    remedy = "please report this bug; LOOM_TRACEBACK=1 shows the traceback"
    return LoomError(f"{type(chain[0]).__name__}: {chain[0]}", where="Beam pipeline", remedy=remedy)
