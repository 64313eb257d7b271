"""Trains the models of `loom demo` in two processes beside each other, each with one thread."""

import json
from dataclasses import astuple, dataclass

from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.result import Training
from corpusloom.pipelines.cli.run_training import run_training
from corpusloom.pipelines.engine import logs
from corpusloom.pipelines.engine.printing import SafeConsole
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.subprocesses import run_in_processes
from corpusloom.schemas import storage

LANES = (("clip", "flamingo"), ("vilbert",))
"""Families per process, in order: Flamingo's vision encoder is the trained CLIP."""
QUICK_STEPS = 12


@dataclass
class LaneReporter(Reporter):
    """Printer of lines that begin with a name, since two processes print to one terminal; it draws no bars."""

    name: str = ""

    def note(self, text: str) -> None:
        """Print one line."""
        super().note(f"  {self.name}: {text.strip()}")

    def event(self, name: str, text: str, **fields: object) -> None:
        """Print one line; where logs are JSON, log the event with its fields and the name."""
        super().event(name, text, **fields, lane=self.name)


@dataclass(frozen=True)
class TrainingLane:
    """The work of one process."""

    families: tuple[str, ...]
    out: str
    quick: bool
    port: int
    quiet: bool
    json: bool


def train_models(demo: DemoFolder) -> dict[str, Training]:
    """Train the three models; the error of either process ends both, and the next call resumes them."""
    reporter = demo.reporter
    tasks = [
        TrainingLane(families, demo.out, demo.quick, demo.port, reporter.quiet, reporter.json) for families in LANES
    ]
    with demo.step("train models"):
        found = {name: one for part in run_in_processes(train_lane, tasks, len(tasks)) for name, one in part.items()}
    return {family: found[family] for families in LANES for family in families}


def train_lane(lane: TrainingLane) -> dict[str, Training]:
    """Train the models of one process, each unless an earlier run trained it."""
    (logs.use_json_lines if lane.json else logs.use_plain_lines)()
    console = SafeConsole(stderr=True, highlight=False, soft_wrap=True, force_terminal=False)
    found = {}
    for family in lane.families:
        reporter = LaneReporter(quiet=lane.quiet, json=lane.json, console=console, name=family)
        found[family] = train_family(DemoFolder(lane.out, reporter, quick=lane.quick, port=lane.port), family)
    return found


def train_family(demo: DemoFolder, family: str) -> Training:
    """Train one model, unless an earlier run trained it."""
    from corpusloom.trainers.training.config import load_config

    config, data, changes = run_of(demo, family)
    loaded = load_config(config, (*changes, *fewer_steps(demo)))
    result = run_training(family, loaded, data, demo.path("runs", family), demo.reporter)
    summary = demo.path("runs", family, "summary.json")
    if result.report is not None:
        training = Training(result.steps, result.report.loss, result.seconds)
        storage.write_bytes(summary, json.dumps(astuple(training)).encode())
    else:
        demo.reporter.note(f"trained before, step {result.steps}")
    return Training(*json.loads(storage.read_bytes(summary)))


def run_of(demo: DemoFolder, family: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return a model's configuration, data and changes of the configuration."""
    m3w, align, regions = (demo.path("datasets", name) for name in ("m3w", "align", "regions"))
    vision = f"model.vision.checkpoint='{demo.path('runs', 'clip')}'"
    runs: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
        "clip": ("clip-tiny", (align,), ()),
        "flamingo": ("flamingo-tiny", (f"m3w={m3w}", f"align={align}:4"), ("data.lambdas.m3w=0.2", vision)),
        "vilbert": ("vilbert-tiny", (regions,), ()),
    }
    return runs[family]


def fewer_steps(demo: DemoFolder) -> tuple[str, ...]:
    """Return the changes of a configuration for --quick."""
    return (f"train.steps={QUICK_STEPS}", "train.warmup=2") if demo.quick else ()
