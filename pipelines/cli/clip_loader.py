"""The function that builds call to read a CLIP: only the command line may import `trainers`."""

from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.models.clip_encoder import ClipEncoder


def load_clip(path: str) -> ClipEncoder:
    """Return the CLIP of a run, a checkpoint or a model folder; ConfigError without the extra `train`."""
    extras.require("train", extras.TRAIN, "filters.scores.clip")
    from corpusloom.trainers.jobs.encode import load_encoder

    return load_encoder(path)
