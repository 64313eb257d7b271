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
    ],
)
def test_a_shape_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_config(**changes)
