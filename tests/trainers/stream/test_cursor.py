"""The cursor: the samples of a rank, the number left, and iterators made invalid by loading a state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.cursor import Cursor


@given(st.integers(1, 9), st.integers(1, 50), st.data())
def test_a_ranks_samples_are_those_whose_position_is_its_number_modulo_the_world(
    world: int, samples: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(0, world - 1))
    position = data.draw(st.integers(0, samples))
    epoch = data.draw(st.integers(0, 3))
    cursor = Cursor(rank, world, samples)
    cursor.epoch, cursor.position = epoch, position
    mine = [p for p in range(position, samples) if p % world == rank]
    assert cursor.left == len(mine)
    assert cursor.running == epoch * samples + position
    if mine:
        assert cursor.next_of_rank == epoch * samples + mine[0]


def test_moving_to_the_end_of_an_epoch_is_the_beginning_of_the_next() -> None:
    cursor = Cursor(0, 2, 10)
    cursor.move_to(29)
    assert (cursor.epoch, cursor.position) == (2, 9)
    cursor.move_to(30)
    assert (cursor.epoch, cursor.position) == (3, 0)


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_outside_the_world_is_refused(rank: int, world: int) -> None:
    with pytest.raises(ConfigError, match=f"rank {rank} of world size {world}"):
        Cursor(rank, world, 10)


def test_a_load_makes_iterators_void_that_were_made_before() -> None:
    cursor = Cursor(0, 1, 10)
    noted = cursor.loads
    cursor.check_not_loaded(noted)
    cursor.loads += 1
    with pytest.raises(ConfigError, match="make a new iterator"):
        cursor.check_not_loaded(noted)
