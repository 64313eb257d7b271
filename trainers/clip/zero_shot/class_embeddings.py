"""Embeddings of texts, and of classes as means over templates and synonyms (arXiv 2103.00020, section 3.1.4).

Shapes: M texts, C classes, E embedding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.templates import PLACEHOLDER, check_template
from corpusloom.trainers.evaluation.batches import EvaluationSettings, ItemSource, measure_batches

TEXTS_PER_BATCH = 256


@torch.no_grad()
def class_embeddings(
    model: CLIP,
    tokenizer: CaptionTokenizer,
    classes: Sequence[str | Sequence[str]],
    templates: Sequence[str],
    settings: EvaluationSettings | None = None,
) -> Tensor:
    """Return (C, E): per class the mean of the normalised embeddings of its texts, normalised again.

    A class is a name or several synonyms; its texts are all templates with all of them. Raises ConfigError for a
    template without `{c}`.
    """
    for template in templates:
        check_template(template)
    synonyms = [(names,) if isinstance(names, str) else tuple(names) for names in classes]
    texts = [template.replace(PLACEHOLDER, name) for names in synonyms for name in names for template in templates]
    counts = [len(names) * len(templates) for names in synonyms]
    embedded = embed_texts(model, tokenizer, texts, settings)
    return F.normalize(torch.stack([part.mean(0) for part in embedded.split(counts)]), dim=-1)


@torch.no_grad()
def embed_texts(
    model: CLIP, tokenizer: CaptionTokenizer, texts: Sequence[str], settings: EvaluationSettings | None = None
) -> Tensor:
    """Return the normalised embeddings of texts, (M, E), on the model's device; the data ranks share the work."""
    device = model.logit_scale.device

    def measure(rows: Sequence[np.ndarray]) -> Mapping[str, Tensor]:
        return {"text": model.encode_text(torch.from_numpy(np.stack(rows)).to(device))}

    shape = replace(settings or EvaluationSettings(), partial=None, batch_size=TEXTS_PER_BATCH, workers=1)
    source = ItemSource(list(texts), tokenizer.row, lambda text: text, "texts")
    return measure_batches(source, measure, shape, device).tensors["text"].to(device)
