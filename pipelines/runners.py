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


def run(build: "Callable[[beam.Pipeline], object]", profile: Profile) -> None:
    """Build a pipeline with `build` and run it to its end; a failure is a LoomError with the first cause."""
    import logging

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    if not profile.local:
        raise ConfigError(f"--runner {profile.runner} is not available yet", remedy="use --runner local")
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    options = PipelineOptions(list(profile.beam_options), save_main_session=False)
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    build(pipeline)
    try:
        pipeline.run().wait_until_finish()
    except KeyboardInterrupt:
        raise
    except Exception as error:
        raise _cause(error) from error


def _cause(error: BaseException) -> LoomError:
    """Find the LoomError that a DoFn raised, below what Beam wrapped round it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, LoomError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return LoomError(f"{type(error).__name__}: {error}", where="Beam pipeline")
