"""ViLBERT's configuration: shapes that contradict themselves are refused."""

import pytest

from corpusloom.schemas.errors import ConfigError
from tests.trainers.vilbert.small import small_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t_connections": (2,)}, "differ in length"),
        ({"hidden": 25}, "not a multiple"),
        ({"t_connections": (3, 2)}, "rising"),
        ({"v_connections": (0, 9)}, "from 0 to 2"),
        ({"streams": 3}, "streams is 3 .give 1 or 2"),
        ({"streams": 1}, r"v_hidden is 32 and hidden 24, but .* one width .set model\.v_hidden=24"),
        ({"streams": 1, "v_hidden": 24}, r"set model\.co_hidden=24"),
        ({"streams": 1, "hidden": 25, "v_hidden": 25, "co_hidden": 25}, "hidden 25 is not a multiple of its 4 heads"),
    ],
)
def test_a_shape_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_config(**changes)


def test_a_single_stream_has_no_connections_to_check() -> None:
    assert small_config(streams=1, v_hidden=24, co_hidden=24, v_heads=5, t_connections=(7, 3)).streams == 1
