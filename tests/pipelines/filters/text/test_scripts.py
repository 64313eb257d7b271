"""Scripts of one language name it; scripts of several do not."""

import pytest

from corpusloom.pipelines.filters.text.scripts import script_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("赤い自転車", "ja"),
        ("カメラ", "ja"),
        ("빨간자전거", "ko"),
        ("แมว", "th"),
        ("γάτα", "el"),
        ("חתול", "he"),
        ("ката", None),
        ("cat", None),
        ("γ ray", None),
        ("自行车", None),
        ("ไทย日", "th"),
        ("", None),
    ],
)
def test_a_script_of_one_language_names_it(text: str, language: str | None) -> None:
    assert script_language([letter for letter in text if letter.isalpha()]) == language
