"""The kept copy of this rank's slices."""

import torch

from corpusloom.trainers.checkpoints.snapshot import Share


def test_copies_are_kept_from_save_to_save_and_do_not_follow_the_originals() -> None:
    share = Share()
    tensors = {"a": torch.ones(3), "b": torch.ones(2, 2).t()}
    first = share.take(tensors, copy=True)
    places = {name: value.data_ptr() for name, value in first.items()}
    tensors["a"].zero_()
    assert first["a"].eq(1).all()
    second = share.take(tensors, copy=True)
    assert second["a"].eq(0).all()
    assert {name: value.data_ptr() for name, value in second.items()} == places
    assert share.take(tensors, copy=False)["a"] is tensors["a"]


def test_other_names_shapes_and_types_are_planned_anew() -> None:
    share = Share()
    share.take({"a": torch.ones(3)}, copy=True)
    plan = share.plan
    share.take({"a": torch.zeros(3)}, copy=True)
    assert share.plan is plan
    for changed in ({"a": torch.ones(4)}, {"a": torch.ones(4).double()}, {"a": torch.ones(4), "b": torch.ones(1)}):
        copies = share.take(changed, copy=True)
        assert {item.index.fqn for item in share.plan.items} == changed.keys()
        assert all(torch.equal(copies[name], value) for name, value in changed.items())
        assert copies["a"].dtype == changed["a"].dtype
