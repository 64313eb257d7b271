"""Creative Commons links as SPDX names."""

import pytest

from corpusloom.pipelines.extract.reading.licenses import of_links, spdx_of


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/3.0/de/deed.en", "CC-BY-NC-ND-3.0"),
        ("//creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0", "CC-PDM-1.0"),
        ("https://creativecommons.org/about", None),
    ],
)
def test_spdx_of(url: str, name: str | None) -> None:
    assert spdx_of(url) == name


def test_the_marked_link_decides_and_disagreement_is_no_licence() -> None:
    by, zero = "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/publicdomain/zero/1.0/"
    assert of_links([(zero, False), (by, True)]) == "CC-BY-4.0"
    assert of_links([(by, False), (by, False)]) == "CC-BY-4.0"
    assert of_links([(by, False), (zero, False)]) is None
    assert of_links([]) is None
