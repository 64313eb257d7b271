"""The CLIP of a path is an encoder of fixed batches; another family is refused."""

from pathlib import Path

import numpy as np
import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.jobs.encode import BATCH, load_encoder
from tests.trainers.clip.folders import TEXTS, hf_folder


def test_the_encoder_has_the_model_of_the_path(tmp_path: Path) -> None:
    path = hf_folder(tmp_path)[0]
    encoder = load_encoder(path)
    assert (encoder.batch_size, encoder.identity.path) == (BATCH, path)
    found = encoder.texts(TEXTS[:3])
    assert np.abs(np.linalg.norm(found.astype(np.float64), axis=1) - 1).max() < 1e-3


def test_a_language_model_is_refused(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=9)).save_pretrained(tmp_path)
    with pytest.raises((ConfigError, LoomError)):
        load_encoder(str(tmp_path))
