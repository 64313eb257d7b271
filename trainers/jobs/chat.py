"""Opens a checkpoint for dialogues; `loom chat` calls it."""

from collections.abc import Sequence

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm
from corpusloom.trainers.flamingo.chat.session import Responder
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.task import load_evaluated
from corpusloom.trainers.jobs.evaluate import family_of
from corpusloom.trainers.training import distributed

KEPT = 32
"""Images whose tokens are held between replies."""


def open_responder(
    path: str,
    form: DialogueForm,
    decoding: DecodingConfig,
    *,
    device: str | None = None,
    assignments: Sequence[str] = (),
) -> Responder:
    """Return the model of a checkpoint or of a run's newest one, as `form` and `decoding` say how it writes.

    `assignments` are KEY=PATH of frozen parts that moved. Raises ConfigError for a model that is no Flamingo.
    """
    place, family = distributed.pick_device(device), family_of(path)
    if family != "flamingo":
        raise ConfigError(
            f"a {family} writes no reply to images", where=path, remedy="give a run of loom train flamingo"
        )
    model, transform = load_evaluated(path, *assignments)
    return Responder(model.to(place).eval(), transform, form, decoding, ImageEncoder(model, KEPT))
