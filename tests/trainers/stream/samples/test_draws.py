"""Random draws of a sample: a function of seed, epoch and key, whichever worker draws."""

from corpusloom.trainers.stream.samples.draws import SampleDraws


def test_draws_depend_on_seed_epoch_and_key_alone() -> None:
    draws = {
        (seed, epoch, key): SampleDraws(seed).of(epoch, key).random()
        for seed in (0, 1)
        for epoch in (0, 1)
        for key in ("ab", "ba", "a" * 32, "")
    }
    assert len(set(draws.values())) == len(draws)
    reused = SampleDraws(0)
    reused.of(5, "others").integers(0, 9, 7)
    assert draws[0, 0, "ab"] == reused.of(0, "ab").random()
