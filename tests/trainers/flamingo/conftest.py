"""A small Flamingo that images change."""

import pytest
import torch

from corpusloom.trainers.flamingo.model import Flamingo
from tests.trainers.flamingo.test_data import VOCABULARY
from tests.trainers.flamingo.test_model import SHAPE, Eyes, open_gates
from tests.trainers.lm.tiny import tiny


@pytest.fixture(scope="module")
def model() -> Flamingo:
    """Return a small Flamingo whose gates are open."""
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny("gpt2", vocab_size=VOCABULARY.eoc)).eval()
    for parameter in model.language.layers.parameters():
        parameter.data.mul_(8)
    open_gates(model)
    return model
