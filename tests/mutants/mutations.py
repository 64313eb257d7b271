"""Makes the mutants of a source file with mutmut 3, without those that change only texts for people.

Left out are texts and arguments of errors, labels of Beam transforms, and (by mutmut itself) annotations, docstrings
and decorated functions. A mutant is named by a hash of its change, so a change of unrelated code hardly changes the
sample.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

ERROR_WORDS = frozenset(("where", "remedy", "what"))
"""Names of variables and arguments that hold the text of an error."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    path: str
    """The file, relative to the root of the repository."""
    function: str
    """Qualified name of the changed function."""
    first: int
    """First changed line."""
    last: int
    """Last changed line."""
    function_first: int
    """First line of the function."""
    function_last: int
    """Last line of the function."""
    before: str
    """Source that is replaced."""
    after: str
    """Source that replaces it."""
    name: str
    """Hash of path, function, change and its ordinal among equal ones."""
    module: cst.Module = field(repr=False, compare=False)
    mutation: Mutation = field(repr=False, compare=False)

    def source(self) -> str:
        """Return the whole changed file; this takes a tenth of a second, so it is done for the sample only."""
        changed = deep_replace(self.module, self.mutation.original_node, self.mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        return changed.code


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Return the mutants of a file, in the order of its source."""
    code = (root / path).read_text()
    module, mutations, *_ = create_mutations(path, code)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    parents, places = wrapper.resolve(ParentNodeProvider), wrapper.resolve(PositionProvider)
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef) or _is_text(mutation.original_node, parents):
            continue
        name = _qualified(function, parents)
        before, after = (_code(module, node) for node in (mutation.original_node, mutation.mutated_node))
        seen[name, before, after] += 1
        identity = "\n".join((path, name, before, after, str(seen[name, before, after])))
        node, around = places[_placed(mutation.original_node, parents, places)], places[function]
        found.append(
            Mutant(
                path=path,
                function=name,
                first=node.start.line,
                last=node.end.line,
                function_first=around.start.line,
                function_last=around.end.line,
                before=before,
                after=after,
                name=hashlib.sha256(identity.encode()).hexdigest()[:16],
                module=module,
                mutation=mutation,
            )
        )
    return found


def sample(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants, those whose hash with the seed is smallest, in order of path and line."""

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.name}".encode()).hexdigest()

    return sorted(sorted(mutants, key=place)[:count], key=lambda mutant: (mutant.path, mutant.first, mutant.name))


def _code(module: cst.Module, node: cst.CSTNode) -> str:
    return " ".join(module.code_for_node(node).split())


def _ancestors(node: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """Yield a node and its ancestors, from the inside out."""
    while True:
        yield node
        if node not in parents:
            return
        node = parents[node]


def _placed(
    node: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode], places: Mapping[cst.CSTNode, object]
) -> cst.CSTNode:
    """Return the innermost node around a node that has a position in the file."""
    return next(around for around in _ancestors(node, parents) if around in places)


def _qualified(function: cst.FunctionDef, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> str:
    named = [n.name.value for n in _ancestors(function, parents) if isinstance(n, cst.FunctionDef | cst.ClassDef)]
    return ".".join(reversed(named))


def _is_text(node: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> bool:
    """Return whether a node is part of an error's text or arguments, or of a transform's label."""
    inner: cst.CSTNode | None = None
    for around in _ancestors(node, parents):
        if isinstance(around, cst.Raise):
            return True
        if isinstance(around, cst.Call) and _name_of(around.func).endswith("Error"):
            return True
        if isinstance(around, cst.Arg) and around.keyword is not None and around.keyword.value in ERROR_WORDS:
            return True
        if isinstance(around, cst.Assign) and any(_name_of(t.target) in ERROR_WORDS for t in around.targets):
            return True
        is_label = m.matches(
            around, m.BinaryOperation(operator=m.RightShift(), left=m.SimpleString() | m.FormattedString())
        )
        if is_label and isinstance(around, cst.BinaryOperation) and (inner is around.left or inner is None):
            return True
        if isinstance(around, cst.FunctionDef):
            return False
        inner = around
    return False


def _name_of(node: cst.CSTNode) -> str:
    """Return the last part of a dotted name; "" for another expression."""
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
