"""Collects a MathML formula during the walk: its TeX if the page has it, else its plain text."""

from dataclasses import dataclass, field

from corpusloom.pipelines.extract.reading.element_rules import math_text


@dataclass(slots=True)
class Formula:
    """One open `math` element."""

    display: bool
    """True for a formula on a line of its own."""
    _text: list[str] = field(default_factory=list)
    _tex: list[str] = field(default_factory=list)
    _in_annotation: bool = False
    _in_tex: bool = False

    def add(self, text: str) -> None:
        """Add a text inside the formula; annotations other than TeX are ignored."""
        if self._in_tex:
            self._tex.append(text)
        elif not self._in_annotation:
            self._text.append(text)

    def open_annotation(self, encoding: str) -> None:
        """Begin an annotation."""
        self._in_annotation = True
        self._in_tex = "tex" in encoding.lower()

    def close_annotation(self) -> None:
        """End an annotation."""
        self._in_annotation = self._in_tex = False

    def as_text(self) -> str:
        """Return the formula as part of a run of text."""
        return math_text("".join(self._tex), "".join(self._text), self.display)
