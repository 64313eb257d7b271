"""Only pages under a listed licence are taken, where a recipe lists any."""

import pytest

from corpusloom.pipelines.net.permissions.licenses import license_refusal
from corpusloom.schemas.verdicts import Rejected


@pytest.mark.parametrize(
    ("found", "wanted", "reason"),
    [
        (None, (), None),
        ("CC-BY-4.0", (), None),
        (None, ("CC-BY-4.0",), "license_unknown"),
        ("CC-BY-4.0", ("CC-BY-4.0",), None),
        ("CC-BY-4.0", ("CC0-1.0", "cc-by-4.0"), None),
        ("CC-BY-SA-4.0", ("CC-BY-4.0",), "license_not_listed"),
        ("CC-BY-4.0", ("CC-BY",), "license_not_listed"),
    ],
)
def test_a_page_is_refused_for_a_stable_reason(found: str | None, wanted: tuple[str, ...], reason: str | None) -> None:
    assert license_refusal(found, wanted) == (Rejected(reason) if reason else None)
