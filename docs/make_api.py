"""Write docs/api.md from the public names of corpusloom: `python docs/make_api.py`.

Signatures and docstrings are read from the sources and nothing is imported, so torch need not be installed.
"""

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"
WIDTH = 100
SECTIONS = {
    "extract": "Extract a page",
    "load_recipe": "Recipes",
    "build": "Build a dataset",
    "read_manifest": "Read a dataset",
    "StreamingDataset": "Stream into training",
    "LoomError": "Errors",
}
"""The first name of each section -> its title; names come in the order of `corpusloom.MODULES`."""
INTRODUCTION = """\
<!-- Made by docs/make_api.py; do not edit. -->
# Public names

`import corpusloom` offers these names and loads a module only when one of its names is first used.
Everything else may move between releases.

```python
from corpusloom import SidecarRow, StreamingDataset, read_manifest, read_records

manifest = read_manifest("data/align")
for shard in manifest.shards:
    for row in read_records(f"data/align/{shard.sidecar.name}", SidecarRow):
        row.key, row.caption, row.scores
for sample in StreamingDataset("data/align", rng_seed=0):
    sample.key, sample.image, sample.text
```
"""

Definition = ast.FunctionDef | ast.ClassDef


def definition(name: str, module: str) -> Definition:
    """Return the node that defines a name at the top of its module, a class with the fields of its base classes."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return with_bases(node, tree) if isinstance(node, ast.ClassDef) else node
    raise LookupError(f"{module} does not define {name}")


def parameters(arguments: ast.arguments) -> Iterator[str]:
    """Yield a function's parameters as they stand in its definition; `self` is left out."""
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    for argument, default in zip(arguments.args, [*defaults, *arguments.defaults], strict=True):
        if argument.arg != "self":
            yield ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else "")
    if arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else "")


def signature(node: ast.FunctionDef) -> str:
    """Return a function's name, parameters and result in one line; a property's name alone."""
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        return node.name
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({', '.join(parameters(node.args))}){result}"


def block(node: ast.FunctionDef, name: str) -> str:
    """Return a signature as a block of code; a long one has one line per parameter."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    given = list(parameters(node.args))
    line = f"{name}({', '.join(given)}){result}"
    if len(line) > WIDTH:
        line = "\n".join([f"{name}(", *(f"    {text}," for text in given), f"){result}"])
    return f"```python\n{line}\n```\n"


def documented(body: list[ast.stmt]) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield each public field of a class with the string that stands below it."""
    for node, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield node, " ".join(below.value.value.split()) if _is_text(below) else ""  # type: ignore[attr-defined]


def first_line(node: Definition) -> str:
    """Return the first line of a docstring."""
    return (ast.get_docstring(node) or "").split("\n", 1)[0]


def with_bases(node: ast.ClassDef, module: ast.Module) -> ast.ClassDef:
    """Return a class whose body begins with the fields of its base classes in the same module."""
    classes = {item.name: item for item in module.body if isinstance(item, ast.ClassDef)}
    bases = [with_bases(classes[base], module) for base in map(ast.unparse, node.bases) if base in classes]
    body = [item for base in bases for item in base.body[1:] if isinstance(item, ast.AnnAssign) or _is_text(item)]
    return ast.ClassDef(node.name, node.bases, node.keywords, [*node.body[:1], *body, *node.body[1:]], [])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def field_text(assignment: ast.AnnAssign) -> str:
    """Return a field as it is defined, its type without what `Annotated` adds."""
    hint = assignment.annotation
    if isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "Annotated":
        hint = hint.slice.elts[0]  # type: ignore[attr-defined]
    default = f" = {ast.unparse(assignment.value)}" if assignment.value else ""
    return f"{ast.unparse(assignment.target)}: {ast.unparse(hint)}{default}"


def describe_class(node: ast.ClassDef) -> Iterator[str]:
    """Yield a class's constructor, fields and public methods."""
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    for method in methods:
        if method.name == "__init__":
            yield block(method, node.name)
            yield f"{ast.get_docstring(method) or ''}\n"
    for assignment, text in documented(node.body):
        if not ast.unparse(assignment.annotation).startswith("ClassVar"):
            yield f"- `{field_text(assignment)}`" + (f": {text}" if text else "")
    for method in methods:
        if not method.name.startswith("_"):
            yield f"- `.{signature(method)}`: {first_line(method)}"


def describe(name: str, module: str) -> str:
    """Return one name's part of the page."""
    node = definition(name, module)
    lines = [f"### `{name}`\n", f"`{module}`\n"]
    if isinstance(node, ast.FunctionDef):
        lines.append(block(node, name))
    lines.append(f"{ast.get_docstring(node) or ''}\n")
    if isinstance(node, ast.ClassDef):
        lines += describe_class(node)
    return "\n".join(lines).rstrip() + "\n"


def page() -> str:
    """Return docs/api.md as it should be."""
    public = runpy.run_path(str(ROOT / "corpusloom" / "__init__.py"))
    parts = [INTRODUCTION]
    for name, module in public["MODULES"].items():
        if name in SECTIONS:
            parts.append(f"## {SECTIONS[name]}\n")
        parts.append(describe(name, module))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
