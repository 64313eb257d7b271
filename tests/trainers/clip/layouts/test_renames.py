"""Names of tensors in other layouts."""

import torch

from corpusloom.trainers.clip.layouts.renames import renames_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.training.hub.folders import OPEN_CLIP
from corpusloom.trainers.training.hub.renames import to_ours, to_theirs
from tests.trainers.clip.folders import our_config


def test_both_tables_name_every_tensor_once() -> None:
    for resnet in (False, True):
        model = CLIP(our_config(resnet=resnet, loss="sigmoid"))
        state, table = model.state_dict(), renames_of(model.config, OPEN_CLIP)
        again = to_ours(state, to_theirs(state, table), table, "x")
        assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
