"""Sequences of tags and texts: phi in any window, and images dropped beyond the limit."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo import data
from corpusloom.trainers.flamingo.prompts.episodes import Example, episode
from corpusloom.trainers.flamingo.prompts.sequence import row_ids
from corpusloom.trainers.lm.tokenizer import train_tokenizer
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import ClipSample, InterleavedSample, PairSample, RegionsSample

TOKENIZER = train_tokenizer(["a red star on a grey ground", "two blue rings <image> here"] * 4, 300)
VOCABULARY = data.Vocabulary(TOKENIZER, TOKENIZER.tokenizer.get_vocab_size())


def jpeg(colour: int, height: int = 40, width: int = 60) -> bytes:
    """Return an image of a single grey."""
    return cv2.imencode(".png", np.full((height, width, 3), colour, np.uint8))[1].tobytes()


def page(images: int = 3) -> InterleavedSample:
    """Return a page of images, each followed by a text."""
    texts: list[str | None] = []
    pictures: list[bytes | None] = []
    for number in range(images):
        texts += [None, f"text {number} about a red star"]
        pictures += [jpeg(40 * number), None]
    return InterleavedSample("k", tuple(texts), tuple(pictures), {})


def test_special_tokens_of_a_page_stand_where_the_paper_puts_them() -> None:
    ids, tags = data.page_sequence(page(2), VOCABULARY)
    assert ids[0] == VOCABULARY.bos
    assert ids[-2:] == [VOCABULARY.eoc, VOCABULARY.eos]
    assert ids.count(VOCABULARY.eoc) == 3
    tag = VOCABULARY.ids("<image>")
    for place in tags:
        assert ids[place : place + len(tag)] == tag
        assert ids[place - 1] == VOCABULARY.eoc
    assert list(tags.values()) == [0, 2]


@given(st.integers(1, 60), st.lists(st.integers(0, 59), unique=True, max_size=8), st.integers(0, 8), st.booleans())
def test_phi_is_that_of_a_plain_loop_over_the_tags(length: int, places: list[int], kept: int, look_ahead: bool) -> None:
    tags = sorted(place for place in places if place < length)
    kept = min(kept, len(tags))
    phi = data.make_phi(length, tags, kept, look_ahead=look_ahead)
    for place in range(length):
        if look_ahead:
            number = next((n + 1 for n, tag in enumerate(tags) if tag >= place), 0)
        else:
            number = max((n + 1 for n, tag in enumerate(tags) if tag <= place), default=0)
        assert phi[place] == (number if number <= kept else 0)


def test_a_page_becomes_a_window_with_no_more_images_than_configured() -> None:
    config = data.FlamingoDataConfig(tokens=24, images=2, next_image=0.0)
    transform = data.FlamingoTransform(VOCABULARY, config, 16)
    for seed in range(30):
        arrays = transform(page(5), np.random.default_rng(seed))
        assert arrays["images"].shape == (2, 1, 3, 16, 16)
        assert arrays["tokens"].shape == arrays["phi"].shape == (24,)
        assert arrays["phi"].max() <= 2
        assert arrays["counted"].all()


def test_a_short_page_is_padded_with_tokens_that_see_no_image_and_do_not_count() -> None:
    config = data.FlamingoDataConfig(tokens=200, images=5)
    arrays = data.FlamingoTransform(VOCABULARY, config, 16)(page(1), np.random.default_rng(0))
    padding = arrays["tokens"] == VOCABULARY.pad
    assert padding.any()
    assert (arrays["phi"][padding] == 0).all()
    assert not arrays["counted"][padding].any()


def test_a_pair_sees_its_image_from_the_tag_on() -> None:
    config = data.FlamingoDataConfig(pair_tokens=24)
    arrays = data.FlamingoTransform(VOCABULARY, config, 16)(
        PairSample("k", jpeg(9), "a red star", {}), np.random.default_rng(0)
    )
    assert arrays["phi"][0] == 0
    assert (arrays["phi"][1:][arrays["counted"][1:]] == 1).all()


def clip(frames: int) -> ClipSample:
    """Return a clip whose frame number n has the grey 10 n, and a white column on the left."""
    grey = np.repeat(np.arange(frames, dtype=np.uint8) * 10, 24 * 24).reshape(frames, 24, 24)
    grey[:, :, :4] = 255
    return ClipSample("k", tuple(cv2.imencode(".png", frame)[1].tobytes() for frame in grey), "a red star", {})


def shown(pixels: np.ndarray) -> list[int]:
    """Return the numbers of the frames of a clip's only video, (1, T, 3, 24, 24)."""
    return (pixels[0, :, 0, 12, 12] // 10).tolist()


def test_a_clip_is_trained_on_frames_that_follow_each_other_all_mirrored_or_none() -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(pair_tokens=24), 24, frames=4)
    found = [transform(clip(9), np.random.default_rng(seed))["images"] for seed in range(40)]
    assert all(pixels.shape == (1, 4, 3, 24, 24) for pixels in found)
    numbers = [shown(pixels) for pixels in found]
    assert {tuple(row) for row in numbers} == {tuple(range(start, start + 4)) for start in range(6)}
    left = [set((pixels[0, :, 0, 12, 1] == 255).tolist()) for pixels in found]
    assert {True} in left
    assert {False} in left
    assert all(len(sides) == 1 for sides in left)


def test_the_colours_of_all_frames_of_a_clip_change_alike_and_not_in_evaluations() -> None:
    config = data.FlamingoDataConfig(pair_tokens=24, flip=False, brightness=0.5)
    still = ClipSample("k", (jpeg(100),) * 3, "a red star", {})
    shades = set()
    for seed in range(20):
        found = data.FlamingoTransform(VOCABULARY, config, 24, 3)(still, np.random.default_rng(seed))["images"]
        assert (found[0] == found[0, :1]).all()
        shades.add(int(found[0, 0, 0, 12, 12]))
    assert 50 <= min(shades) < 75
    assert 125 < max(shades) <= 150
    plain = data.FlamingoTransform(VOCABULARY, config, 24, augment=False)(still, np.random.default_rng(0))["images"]
    assert (plain[0, :, 0, 12, 12] == 100).all()


@pytest.mark.parametrize("tag_loss", [True, False])
def test_pieces_of_a_tag_count_in_the_loss_or_not(tag_loss: bool) -> None:
    config = data.FlamingoDataConfig(tokens=24, pair_tokens=24, tag_loss=tag_loss)
    transform = data.FlamingoTransform(VOCABULARY, config, 16)
    tag = VOCABULARY.ids("<image>")
    assert len(tag) > 1
    whole, tags = data.page_sequence(page(5), VOCABULARY)
    pieces = {start + piece for start in tags for piece in range(len(tag))}
    for seed in range(20):
        arrays = transform(page(5), np.random.default_rng(seed))
        start = next(at for at in range(len(whole)) if whole[at : at + 24] == arrays["tokens"].tolist())
        left_out = {at + start for at in np.flatnonzero(~arrays["counted"])}
        assert left_out == (set() if tag_loss else pieces & set(range(start, start + 24)))
    pair = transform(PairSample("k", jpeg(9), "a red star", {}), np.random.default_rng(0))
    left_out = set(np.flatnonzero(~pair["counted"][: int((pair["tokens"] != VOCABULARY.pad).sum())]))
    assert left_out == (set() if tag_loss else set(range(1, 1 + len(tag))))


def test_an_image_without_a_text_after_it_is_followed_by_end_of_chunk() -> None:
    config = data.FlamingoDataConfig(tokens=40, pair_tokens=24, images=3, next_image=0.0)
    transform = data.FlamingoTransform(VOCABULARY, config, 16)
    silent = InterleavedSample("k", ("a red star", None, None), (None, jpeg(1), jpeg(2)), {})
    arrays = transform(silent, np.random.default_rng(0))
    ids = arrays["tokens"][arrays["counted"]].tolist()
    tag = VOCABULARY.ids("<image>")
    assert ids[-2 - 2 * len(tag) - 1 :] == [*tag, VOCABULARY.eoc, *tag, VOCABULARY.eoc, VOCABULARY.eos]
    assert arrays["phi"][arrays["counted"]][-2:].tolist() == [2, 2]
    assert arrays["images"][:2].any(axis=(1, 2, 3, 4)).all()
    for text in ("", " "):
        pair = transform(PairSample("k", jpeg(9), text, {}), np.random.default_rng(0))
        assert pair["tokens"][0] == VOCABULARY.bos
        assert VOCABULARY.eoc in pair["tokens"]


def test_a_clip_is_evaluated_on_frames_of_its_whole_length() -> None:
    config = data.FlamingoDataConfig(evaluation_frames=5)
    transform = data.FlamingoTransform(VOCABULARY, config, 24, frames=4, augment=False)
    assert shown(transform(clip(9), np.random.default_rng(0))["images"]) == [0, 2, 4, 6, 8]


def test_the_frames_of_a_short_clip_are_repeated_in_order() -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(), 24, frames=8)
    assert shown(transform(clip(3), np.random.default_rng(0))["images"]) == [0, 0, 1, 1, 1, 1, 2, 2]


def test_a_window_without_an_image_has_blank_pixels() -> None:
    arrays = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(tokens=24, images=2), 16)(
        InterleavedSample("k", ("a red star on a grey ground",), (None,), {}), np.random.default_rng(0)
    )
    assert arrays["images"].shape == (2, 1, 3, 16, 16)
    assert not arrays["images"].any()


def test_images_keep_their_aspect_and_are_padded_with_the_mean() -> None:
    config = data.FlamingoDataConfig(flip=False, fill=(1, 2, 3))
    arrays = data.FlamingoTransform(VOCABULARY, config, 24)(
        PairSample("k", jpeg(200), "a", {}), np.random.default_rng(0)
    )
    image = arrays["images"][0, 0]
    assert (image[:, 0, :] == np.array([[1], [2], [3]])).all()
    assert (image[:, 12, :] == 200).all()


def test_the_same_generator_gives_the_same_arrays() -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(tokens=24, images=2), 16)
    first, second = (transform(page(4), np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_another_kind_of_sample_is_a_clear_error() -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(), 16)
    empty = np.zeros((1, 4), np.float32)
    with pytest.raises(ConfigError, match="interleaved pages, pairs and video clips"):
        transform(RegionsSample("k", b"", "t", {}, empty, empty, empty), np.random.default_rng(0))


def asked(answers: list[str], prompt: str = "Question: what? Answer:") -> PairSample:
    """Return a sample of a benchmark."""
    return PairSample("k", jpeg(0), answers[0], {data.QUESTION: {"prompt": prompt, "answers": answers}})


def test_a_benchmarks_sample_is_its_prompt_and_a_drawn_answer_which_alone_counts() -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(pair_tokens=60), 16)
    before = [VOCABULARY.bos, *VOCABULARY.ids("<image>"), *VOCABULARY.ids("Question: what? Answer:")]
    endings = {}
    for seed in range(20):
        arrays = transform(asked(["red", "blue"]), np.random.default_rng(seed))
        tokens, counted = arrays["tokens"], arrays["counted"]
        assert tokens[: len(before)].tolist() == before
        assert not counted[: len(before)].any()
        answer = tokens[counted].tolist()
        assert answer[-2:] == [VOCABULARY.eoc, VOCABULARY.eos]
        endings[TOKENIZER.text(answer[:-2])] = arrays["phi"]
    assert sorted(endings) == [" blue", " red"]
    assert all(phi[0] == 0 and set(phi[1 : len(before) + 2]) == {1} for phi in endings.values())


def test_a_benchmarks_sample_has_the_tokens_of_an_evaluations_prompt() -> None:
    ids, first = data.answer_ids(asked(["red"]).info[data.QUESTION], VOCABULARY, np.random.default_rng(0))
    shot = Example(np.zeros((1, 3, 8, 8), np.uint8), "red", "Question: what? Answer:")
    assert row_ids(episode(shot, []), VOCABULARY).ids == ids[:first]
    assert row_ids(episode(shot, [shot]), VOCABULARY).ids[: len(ids) - 1] == ids[:-1]


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (asked(["red"], "Question: " + "what? " * 30), "too_long"),
        (PairSample("k", jpeg(0), "", {data.QUESTION: {"prompt": "", "answers": []}}), "bad_record"),
        (PairSample("k", jpeg(0), "", {data.QUESTION: {"prompt": "", "answers": [1]}}), "bad_record"),
        (PairSample("k", jpeg(0), "", {data.QUESTION: "x"}), "bad_record"),
    ],
)
def test_a_sample_without_room_for_its_answer_or_of_another_form_is_skipped(sample: PairSample, reason: str) -> None:
    transform = data.FlamingoTransform(VOCABULARY, data.FlamingoDataConfig(pair_tokens=60), 16)
    with pytest.raises(SampleError, match=reason):
        transform(sample, np.random.default_rng(0))
