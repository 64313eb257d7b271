"""Few-shot trials: the shots of each query, and the texts or classes that a model gives for it (section 3.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.data import Vocabulary
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.closed_ended import score_candidates
from corpusloom.trainers.flamingo.prompts.episodes import Example, episode, shuffled, trim
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from corpusloom.trainers.flamingo.prompts.sequence import generate


@dataclass(frozen=True)
class Trials:
    """Queries by number, and the pool of their shots."""

    model: Flamingo
    vocabulary: Vocabulary
    queries: Sequence[Example] | Mapping[int, Example]
    pool: ShotPool
    similar: Sequence[Sequence[int]] | Mapping[int, Sequence[int]] | None
    """Numbers of similar examples per query, best first; None: shots are drawn at random."""
    settings: EvaluationSettings
    encoder: ImageEncoder | None = None
    """Holds the visual tokens of images that come again; None: each call encodes its own."""

    def shots(self, number: int, count: int, seed: int) -> list[Example]:
        """Return the shots of a query: random ones in random order, or the most similar ones, the best last."""
        query = self.queries[number]
        if self.similar is None:
            return self.pool.take(shuffled(self.pool.size, seed, number), count, query)
        return self.pool.take(self.similar[number], count, query)[::-1]

    def texts(self, numbers: Sequence[int], count: int, seed: int) -> list[str]:
        """Return the texts that the model writes for queries; without shots, `text_shots` texts stand before each."""
        rows = [
            episode(
                self.queries[number],
                self.shots(number, count or self.settings.text_shots, seed),
                self.settings.prompt,
                images=count > 0,
            )
            for number in numbers
        ]
        written = generate(self.model, rows, self.vocabulary, self._decoding(), self.encoder)
        return [trim(text) for text in written]

    def classes(self, numbers: Sequence[int], count: int, seed: int, classes: Sequence[str]) -> list[str]:
        """Return the likeliest of all classes for each query."""
        scores = self.scores(numbers, count, seed, [classes] * len(numbers))
        return [classes[int(row.argmax())] for row in scores]

    def scores(
        self, numbers: Sequence[int], count: int, seed: int, candidates: Sequence[Sequence[str]]
    ) -> list[Tensor]:
        """Return the log likelihood of each query's candidates, (C,) per query."""
        asked = [(self.queries[number], self.shots(number, count, seed)) for number in numbers]
        settings = self.settings
        return score_candidates(
            self.model,
            asked,
            candidates,
            self.vocabulary,
            settings.prompt,
            permutations=settings.ensemble,
            encoder=self.encoder,
        )

    def _decoding(self) -> DecodingConfig:
        return DecodingConfig(beams=self.settings.beams)
