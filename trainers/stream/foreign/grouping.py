"""Groups the members of a tar into samples by their names.

As in webdataset, a key is a name up to the first dot of its base name, and the rest is the field. In contrast to
webdataset, the members of a sample need not be side by side, and keys may have dots if each has a text of its own:
`Track 0.5.jpg` and `Track 0.5.txt` are one sample, not two fields of `Track 0`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from corpusloom.schemas import layout
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.foreign.headers import Header

_SYNONYMS = {"jpeg": "jpg", "jsn": "json", "text": "txt", "transcript": "txt"}
"""Extension in a tar -> its name in the sidecar."""
_TEXTS = ("txt", "json")
NAMELESS = "without key or extension"


@dataclass(frozen=True, slots=True)
class NamedMember:
    """A member with its key and field; fields are in lower case."""

    key: str
    field: str
    header: Header
    run: int
    """Number of the run of neighbours with one key that it belongs to."""

    @property
    def front(self) -> str:
        """Return the field without its extension: 000 for 000.jpg, nothing for jpg."""
        return self.field.rpartition(".")[0]

    @property
    def extension(self) -> str:
        """Return the extension, as it is called in the sidecar."""
        return layout.extension_of(self.field)

    def with_key(self, key: str) -> "NamedMember":
        """Return the member as one of a longer key."""
        field = kept_as(self.header.name[len(key) + 1 :].lower())
        return NamedMember(key, field, self.header, self.run)


def split_name(name: str) -> tuple[str, str] | None:
    """Return key and field of a member's name, split at the first dot of its base name as in webdataset.

    None for names without a dot, with a leading dot, or of the form __name__, which webdataset skips too.
    """
    folder, _, base = name.rpartition("/")
    stem, dot, field_name = base.partition(".")
    if not dot or not stem or base.startswith("__"):
        return None
    return (f"{folder}/{stem}" if folder else stem), field_name.lower()


def kept_as(field_name: str) -> str:
    """Return a field's name in the sidecar, where an extension has one name: jpg for jpeg."""
    front, dot, extension = field_name.rpartition(".")
    return f"{front}{dot}{_SYNONYMS.get(extension, extension)}"


def is_named(name: str, key: str, field_name: str) -> bool:
    """Return whether a member's name is that of a sample's field; the key may be prefixed by the tar's name."""
    dots = [found.start() for found in re.finditer(r"\.", name) if found.start() > name.rfind("/")]
    return any(
        kept_as(name[dot + 1 :].lower()) == field_name and (key == name[:dot] or key.endswith(f"/{name[:dot]}"))
        for dot in dots
    )


def group_members(headers: Iterable[Header], tar: str, ignored: Counter[str]) -> dict[str, dict[str, Header]]:
    """Return key -> field -> member of a tar's samples, in the order of their first members.

    Members that are not read are counted in `ignored`. A key whose field comes twice, apart from each other, is an
    InputError.
    """
    groups: dict[str, list[NamedMember]] = {}
    for member in _named(headers, ignored):
        groups.setdefault(member.key, []).append(member)
    samples: dict[str, dict[str, Header]] = {}
    runs: dict[tuple[str, str], int] = {}
    for group in groups.values():
        for member in _with_dotted_keys(group):
            fields = samples.setdefault(member.key, {})
            if member.field not in fields:
                fields[member.field] = member.header
                runs[member.key, member.field] = member.run
            elif runs[member.key, member.field] == member.run:
                ignored[f"repeated {member.extension}"] += 1
            else:
                raise InputError(
                    f"key {member.key} occurs twice: {member.header.name} comes again", where=tar,
                    remedy="unpack the tar and pack it again, which leaves the last one of each name",
                )  # fmt: skip
    return samples


def _named(headers: Iterable[Header], ignored: Counter[str]) -> Iterator[NamedMember]:
    """Yield the members that a reader may open, and count the others."""
    run, last = 0, ""
    for header in headers:
        parts = split_name(header.name)
        if parts is None:
            ignored[NAMELESS] += 1
            continue
        key, own_field = parts
        run, last = run + (key != last), key
        field = kept_as(own_field)
        if layout.extension_of(field) in layout.EXTENSIONS:
            yield NamedMember(key, field, header, run)
        else:
            ignored[layout.extension_of(own_field)] += 1


def _with_dotted_keys(group: list[NamedMember]) -> list[NamedMember]:
    """Return the members that share a key up to the first dot, with the longer keys of those that have a text each.

    The keys have dots if every text has the name of an image, or that of numbered images (`page.html.0.jpg` beside
    `page.html.json`). If a member's field is a mere extension, only texts that are not numbered make keys of their own.
    """
    plain = any(not member.front for member in group)
    texts = {
        _stem(member) for member in group if member.front and member.extension in (_TEXTS[:1] if plain else _TEXTS)
    }
    images = [member for member in group if member.extension not in _TEXTS]
    if not texts:
        return group
    keys = {id(member): _key_among(texts, member) for member in images}
    if plain:
        texts = {stem for stem in texts if stem in keys.values() and not stem.rpartition(".")[2].isdigit()}
    elif not images or None in keys.values():
        return group
    longer = {id(member): key for member in group if (key := keys.get(id(member), _stem(member))) in texts}
    return [member.with_key(longer[id(member)]) if id(member) in longer else member for member in group]


def _stem(member: NamedMember) -> str:
    """Return a member's name without its extension."""
    return member.header.name.rpartition(".")[0]


def _key_among(texts: set[str], member: NamedMember) -> str | None:
    """Return the text's name that an image, a numbered image or an array belongs to, or None."""
    stem = _stem(member)
    numbered = stem.rpartition(".")
    if stem in texts:
        return stem
    return numbered[0] if numbered[0] in texts and (numbered[2].isdigit() or numbered[2] == "regions") else None
