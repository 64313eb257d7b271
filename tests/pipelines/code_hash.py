"""A hash of what a module's code does, for tests that hold code to a version. It is the same on any Python."""

import ast
import hashlib
from collections.abc import Iterator

from corpusloom.schemas import errors
from corpusloom.schemas.errors import LoomError

MESSAGES = [name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, LoomError)]
"""Names of the errors that end a command: their messages reach the user and no dataset."""


def shape(node: object) -> Iterator[str]:
    """Yield the parts of code that have an effect: no docstring, annotation, import, VERSION or message to a user."""
    if isinstance(node, ast.Import | ast.ImportFrom) or is_text(node) or is_version(node):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MESSAGES:
        yield node.func.id
        return
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "type_params", "type_comment", "kind") and value not in (None, []):
                yield name
                yield from shape(value)
    elif isinstance(node, list):
        for item in node:
            yield from shape(item)
    else:
        yield repr(node)


def is_text(node: object) -> bool:
    """Return whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_version(node: object) -> bool:
    """Return whether a statement sets VERSION."""
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["VERSION"]


def hash_of(source: str) -> str:
    """Return a hash of what a module's code does."""
    return hashlib.sha256("\n".join(shape(ast.parse(source))).encode()).hexdigest()[:16]
