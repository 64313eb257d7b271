"""The columns of TSVs with a detector's outputs, in the orders in which they are published.

Bottom-up attention (arXiv 1707.07998) has six columns, ViLBERT's extraction a seventh with class probabilities. LXMERT
(arXiv 1908.07490) has ten, the height before the width. Other orders are named by a header or by `regions.tsv_columns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.schemas.errors import ConfigError

BOTTOM_UP = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
LXMERT = (
    *("image_id", "image_h", "image_w", "objects_id", "objects_conf"),
    *("attrs_id", "attrs_conf", "num_boxes", "boxes", "features"),
)
PUBLISHED = {len(order): order for order in (BOTTOM_UP, (*BOTTOM_UP, "cls_prob"), LXMERT, (*LXMERT, "cls_prob"))}
"""Number of columns -> their names."""
_ALIASES = {
    "img_id": "image_id",
    "item_id": "image_id",
    "img_w": "image_w",
    "img_h": "image_h",
    "class_probs": "cls_prob",
}
_REMEDY = 'name the columns in order: regions.tsv_columns=["image_id", "image_w", ...]'


@dataclass(frozen=True, slots=True)
class ColumnOrder:
    """The places of the columns that are read."""

    names: tuple[str, ...]
    header: bool = False
    """Whether the first line of the file names them."""

    def cell(self, cells: Sequence[bytes], name: str) -> bytes:
        """Return the cell of a column."""
        return cells[self.names.index(name)]

    def has(self, name: str) -> bool:
        """Return whether there is such a column."""
        return name in self.names


def column_order(first_line: bytes, given: Sequence[str], where: str) -> ColumnOrder:
    """Return the order of a file's columns: those of its header, those given, or the published ones.

    Raises ConfigError for a number of columns that is not published, and for a header or names that lack a column.
    """
    cells = first_line.rstrip(b"\r\n").split(b"\t")
    header = _renamed([cell.decode("utf-8", "replace").strip() for cell in cells])
    if {"boxes", "features"} <= set(header):
        return _checked(header, where, header=True)
    if given:
        if len(given) != len(cells):
            raise ConfigError(f"has {len(cells)} columns, and {len(given)} are named", where=where, remedy=_REMEDY)
        return _checked(_renamed(given), where, header=False)
    if len(cells) not in PUBLISHED:
        known = ", ".join(map(str, sorted(PUBLISHED)))
        what = f"has {len(cells)} columns separated by tabs; the published orders have {known}"
        raise ConfigError(what, where=where, remedy=_REMEDY)
    return ColumnOrder(PUBLISHED[len(cells)])


def _renamed(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_ALIASES.get(name, name) for name in names)


def _checked(names: tuple[str, ...], where: str, *, header: bool) -> ColumnOrder:
    for name in BOTTOM_UP:
        if names.count(name) != 1:
            count = "no column" if name not in names else "two columns"
            raise ConfigError(f"{count} {name} among {', '.join(names)}", where=where, remedy=_REMEDY)
    return ColumnOrder(names, header)
