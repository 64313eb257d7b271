"""Reads a pickle of plain values: a pickle may call any function while it is read, so one that names any is refused."""

import io
import pickle
from typing import Any, NoReturn

from corpusloom.schemas.errors import InputError

_REMEDY = "give the file as it is published: its values are lists, dicts, texts and numbers alone"


class _PlainUnpickler(pickle.Unpickler):
    """Builds containers, texts and numbers, for which a pickle needs no class or function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}, which reading it would run")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_plain_pickle(data: bytes, where: str) -> Any:
    """Return the value of a pickle of lists, dicts, tuples, sets, texts, bytes, numbers and None.

    Texts of Python 2 are read as UTF-8. Raises InputError for a pickle that names a class or function, before any of it
    runs, and for bytes that are no pickle.
    """
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except Exception as error:  # damaged bytes make pickle raise almost any error
        raise InputError(f"not a pickle of plain values: {error}", where=where, remedy=_REMEDY) from error
