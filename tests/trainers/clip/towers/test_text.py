"""The text tower: the end of a text, trimmed batches."""

import torch

from tests.trainers.clip.test_model import small, tokens


def test_tokens_after_the_end_token_do_not_change_the_embedding() -> None:
    model, rows = small().eval(), tokens()
    changed = rows.clone()
    changed[0, 6:] = 50
    with torch.no_grad():
        assert torch.allclose(model.encode_text(rows)[0], model.encode_text(changed)[0], atol=1e-6)
        changed[0, 4] = 51
        assert not torch.allclose(model.encode_text(rows)[0], model.encode_text(changed)[0], atol=1e-3)


def test_trimming_a_batch_after_its_longest_text_does_not_change_the_embeddings() -> None:
    torch.manual_seed(0)
    whole = small().eval()
    trimmed = small(trim=True).eval()
    trimmed.load_state_dict(whole.state_dict())
    rows = tokens()[[0, 2]]
    with torch.no_grad():
        assert torch.allclose(whole.encode_text(rows), trimmed.encode_text(rows), atol=1e-6)


def test_a_batch_on_a_cpu_is_trimmed_unless_it_is_switched_off() -> None:
    lengths = []
    for trim in (None, False):
        model = small(trim=trim).eval()
        model.text.blocks[0].register_forward_pre_hook(lambda _, given: lengths.append(given[0].shape[1]))
        rows = tokens()[[0, 2]]
        model.encode_text(rows)
    assert lengths == [int(rows.argmax(1).max()) + 1, rows.shape[1]]
