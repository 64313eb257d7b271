"""Where a pipeline runs: one place that turns a profile into a Beam runner and its options."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.errors import ConfigError, LoomError

if TYPE_CHECKING:
    import apache_beam as beam

Runner = Literal["local", "dataflow", "portable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A runner and what it needs."""

    runner: Runner = "local"
    """local: FnApiRunner in this process. dataflow: Google Cloud. portable: a job endpoint (Flink, Spark)."""
    beam_options: tuple[str, ...] = ()
    """Handed to Beam as they are; an option that Beam does not know is an error."""

    @property
    def local(self) -> bool:
        """Say whether everything runs in this process."""
        return self.runner == "local"


def check_options(options: Sequence[str]) -> None:
    """Raise ConfigError for an option that Beam does not know (Beam itself would only log it)."""
    if not options:
        return
    from apache_beam.options.pipeline_options import PipelineOptions

    if any("DaskRunner" in option for option in options):
        raise ConfigError(
            "Beam's DaskRunner silently loses branches and tagged outputs",
            where="--runner",
            remedy="use --runner local, dataflow or portable",
        )
    known = PipelineOptions([]).get_all_options()
    for option in options:
        name = option.split("=")[0].removeprefix("--").removeprefix("no_").replace("-", "_")
        if option.startswith("--") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean --{near[0]}?" if near else "see Beam's options"
            raise ConfigError(f"Beam has no option {option.split('=')[0]}", where="after --", remedy=remedy)


def check_runner(profile: Profile) -> None:
    """Raise ConfigError for a runner that this version cannot start."""
    if not profile.local:
        raise ConfigError(f"--runner {profile.runner} is not available yet", remedy="use --runner local")


def run(build: "Callable[[beam.Pipeline], object]", profile: Profile) -> None:
    """Build a pipeline with `build` and run it to its end; a failure is a LoomError with the first cause."""
    import logging

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # it logs a traceback of what we raise in one line
    check_runner(profile)
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    options = PipelineOptions(list(profile.beam_options), save_main_session=False)
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    build(pipeline)
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        chain = _chain(error)
        if any(isinstance(found, KeyboardInterrupt) for found in chain):
            raise KeyboardInterrupt from error
        raise _cause(chain) from error


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what stands below it."""
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(below)
    return chain


def _cause(chain: list[BaseException]) -> LoomError:
    """Return the LoomError that a DoFn raised, else what the system refused, below what Beam wrapped round it.

    Beam raises a copy of an error with the step's name in its text; the original is the copy's context.
    """
    originals = [found for found in chain if "[while running" not in str(found)]
    ours = next((found for found in originals if isinstance(found, LoomError)), None)
    if ours is not None:
        return ours
    refused = next((found for found in originals if isinstance(found, OSError) and found.strerror), None)
    if isinstance(refused, OSError):
        return LoomError(str(refused.strerror), where=str(refused.filename or "Beam pipeline"))
    remedy = "a bug: please report it; LOOM_TRACEBACK=1 shows the traceback"
    return LoomError(f"{type(chain[0]).__name__}: {chain[0]}", where="Beam pipeline", remedy=remedy)
