"""The stream of texts: each epoch gives every sequence once, on any number of ranks, and a state continues exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.lm.data import TextStream, join_texts, read_texts
from corpusloom.trainers.lm.tokenizer import train_tokenizer
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.observe.reports import describe_start

IDS = np.arange(103, dtype=np.int32)


def stream(batch_size: int = 2, rank: int = 0, ranks: int = 1, ids: np.ndarray = IDS) -> TextStream:
    return TextStream(ids, 5, batch_size, seed=3, rank=rank, ranks=ranks, where="texts.jsonl")


def test_a_file_has_a_string_or_an_object_with_a_text_per_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('"one\\ntwo"\n{"text": "three", "url": "x"}\n')
    assert read_texts(str(path)) == ["one\ntwo", "three"]
    for wrong in ("three", "3", '{"words": "three"}', '{"text": 3}', "[" * 10_000):
        path.write_text(f'"one"\n{wrong}\n')
        with pytest.raises(InputError, match="line 2 is neither") as caught:
            read_texts(str(path))
        assert str(path) in str(caught.value)


def test_texts_follow_each_other_between_begin_and_end_tokens() -> None:
    tokenizer = train_tokenizer(["a red star", "two rings"] * 4, 280)
    ids = join_texts(["a red star", "two <EOS> rings"], tokenizer)
    wanted = [id for text in ("a red star", "two <EOS> rings") for id in (1, *tokenizer.ids(text), 2)]
    assert ids.tolist() == wanted
    assert join_texts([], tokenizer).tolist() == []


def test_an_epoch_gives_each_sequence_once_in_an_order_of_its_own() -> None:
    source = stream()
    epochs = [torch.cat([next(source)["tokens"] for _ in range(10)]) for _ in range(2)]
    for rows in epochs:
        assert rows.shape == (20, 6)
        assert (rows[:, 1:] == rows[:, :-1] + 1).all()
        predicted = sorted(rows[:, 1:].flatten().tolist())
        assert predicted == list(range(predicted[0], predicted[0] + 100))
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_the_sequences_of_one_rank(ranks: int) -> None:
    whole, parts = stream(4), [stream(4 // ranks, rank, ranks) for rank in range(ranks)]
    for _ in range(12):
        batches = [next(part) for part in parts]
        wanted = next(whole)
        assert torch.equal(torch.cat([batch["tokens"] for batch in batches]), wanted["tokens"])
        assert [key for batch in batches for key in batch["keys"]] == wanted["keys"]


def test_a_state_continues_at_the_exact_sequence_with_any_number_of_ranks() -> None:
    source = stream(2)
    for _ in range(13):
        next(source)
    later = [stream(1, rank, 2) for rank in range(2)]
    for part in later:
        part.load_state_dict(source.state_dict())
    for _ in range(8):
        assert torch.equal(torch.cat([next(part)["tokens"] for part in later]), next(source)["tokens"])


def test_other_texts_and_too_few_are_refused() -> None:
    other = stream(ids=IDS[::-1].copy())
    with pytest.raises(ConfigError, match="the texts are not those of the checkpoint"):
        other.load_state_dict(stream().state_dict())
    with pytest.raises(InputError, match="the texts have 5 tokens, a sequence has 5"):
        stream(ids=IDS[:5])
    assert next(stream(1, ids=IDS[:6]))["tokens"].tolist() == [[0, 1, 2, 3, 4, 5]]


def test_the_start_of_a_run_tells_the_texts_the_samples_per_step_and_the_threads() -> None:
    train = load_config("lm-tiny", ["train.accumulate=3", "train.threads=3"]).train
    start = describe_start(torch.nn.Linear(1, 1), stream(), train, name="lm", device=torch.device("cpu"), resumed_at=0)
    assert (start.datasets, start.samples_per_step) == ({"texts.jsonl": 20}, 6)
    assert start.device == "cpu, 3 threads"  # those of the run, which are set after this line
