"""Inside the block torch computes with one thread, and afterwards with as many as before, also after an error."""

import contextlib

from corpusloom.pipelines.models.one_thread import one_thread


def test_threads_are_one_inside_and_as_before_afterwards() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = []
        with contextlib.suppress(ValueError), one_thread():
            found += [torch.get_num_threads(), torch.is_inference_mode_enabled()]
            raise ValueError
        assert [*found, torch.get_num_threads(), torch.is_inference_mode_enabled()] == [1, True, 2, False]
    finally:
        torch.set_num_threads(before)
