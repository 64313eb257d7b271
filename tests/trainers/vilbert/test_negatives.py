"""The wrong captions of a batch: which rows give them, and that rows and ranks in another order give the same."""

import torch

from corpusloom.trainers.vilbert.negatives import mismatch, other_rows


def test_a_negative_never_has_its_images_own_caption() -> None:
    texts = torch.tensor([[1, 2], [1, 2], [3, 4], [5, 6], [3, 4]])
    for seed in range(50):
        draws = torch.rand(5, 3, generator=torch.Generator().manual_seed(seed))
        source, label = mismatch(texts, draws, 1.0)
        for row in range(5):
            assert bool((texts[source[row]] == texts[row]).all()) == (label[row] == 0)
            assert label[row] == 1 or source[row] == row


def test_half_of_the_pairs_are_negatives() -> None:
    draws = torch.rand(10_000, 3, generator=torch.Generator().manual_seed(0))
    _, label = mismatch(torch.arange(10_000)[:, None], draws, 0.5)
    assert abs(int(label.sum()) - 5000) < 200


def test_every_other_row_is_drawn_and_never_the_own() -> None:
    draws = torch.rand(4_000, 3, generator=torch.Generator().manual_seed(0))
    draws[:, 1] = torch.arange(4_000) / 4_000
    sources = mismatch(torch.arange(4_000)[:, None], draws, 1.0)[0]
    assert not (sources == torch.arange(4_000)).any()
    four = torch.tensor([[0.0, draw, 0.1 * row] for draw in (0.0, 0.4, 0.999) for row in range(4)]).view(3, 4, 3)
    found = [mismatch(torch.arange(4)[:, None], draw, 1.0)[0].tolist() for draw in four]
    assert [set(column) for column in zip(*found, strict=True)] == [{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}]


def test_negatives_do_not_depend_on_the_order_of_the_rows() -> None:
    texts, draws = torch.arange(9)[:, None], torch.rand(9, 3, generator=torch.Generator().manual_seed(3))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    one, other = mismatch(texts, draws, 0.7)[0], mismatch(texts[order], draws[order], 0.7)[0]
    assert torch.equal(texts[one][order], texts[order][other])


def test_a_single_pair_stays_aligned() -> None:
    assert mismatch(torch.tensor([[1, 2]]), torch.zeros(1, 3), 1.0)[1].tolist() == [0]


def test_the_other_rows_are_different_rows_and_never_the_own() -> None:
    texts, draws = torch.arange(9)[:, None], torch.rand(9, 3, generator=torch.Generator().manual_seed(5))
    others, wrong = other_rows(texts, draws, 4)
    assert others.shape == (9, 4)
    assert wrong.all()
    for row, found in enumerate(others.tolist()):
        assert len({row, *found}) == 5


def test_there_are_at_most_as_many_other_rows_as_there_are() -> None:
    draws = torch.rand(3, 3, generator=torch.Generator().manual_seed(5))
    assert [sorted(row) for row in other_rows(torch.arange(3)[:, None], draws, 7)[0].tolist()] == [
        [1, 2],
        [0, 2],
        [0, 1],
    ]
    assert other_rows(torch.zeros(1, 2), draws[:1], 7)[0].shape == (1, 0)
    assert other_rows(torch.zeros(0, 2), draws[:0], 7)[0].shape == (0, 0)


def test_other_rows_do_not_depend_on_the_order_of_the_rows() -> None:
    texts, draws = torch.arange(9)[:, None], torch.rand(9, 3, generator=torch.Generator().manual_seed(3))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    one, other = other_rows(texts, draws, 3)[0], other_rows(texts[order], draws[order], 3)[0]
    assert torch.equal(one[order], order[other])


def test_rows_with_the_text_of_the_own_row_are_marked() -> None:
    texts = torch.tensor([[1, 2], [1, 2], [3, 4]])
    others, wrong = other_rows(texts, torch.rand(3, 3, generator=torch.Generator().manual_seed(0)), 2)
    for row in range(3):
        assert wrong[row].tolist() == [texts[other].tolist() != texts[row].tolist() for other in others[row]]
