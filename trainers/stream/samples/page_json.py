"""Reads texts and images from a page's JSON: ours, energon's, NeMo Curator's, OBELICS exports' or MMC4's.

All but MMC4 have two parallel lists. An entry of the list of images is a member's whole name (KEY.000.jpg), its field
(000.jpg), or the image's URL; with URLs the k-th image member belongs to the k-th entry. MMC4 (arXiv 2304.06939, in
open_flamingo's tars) has a list of sentences, and each image in base64 with the number of its sentence.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from corpusloom.schemas.layout import IMAGE_EXTENSIONS
from corpusloom.trainers.stream.errors import SampleError

_DATA_URL = re.compile(r"\s*data:[^,]{0,99};base64,")
_URL_SAFE = str.maketrans("-_", "+/")
_SAME = {"jpeg": "jpg"}
Lists = tuple[tuple[str | None, ...], tuple[bytes | None, ...]]


def page_lists(key: str, info: Mapping[str, Any], members: Mapping[str, bytes]) -> Lists:
    """Return texts and encoded images as two parallel tuples; SampleError when they cannot be made."""
    if "text_list" in info:
        return _mmc4(info)
    texts, names = info.get("texts"), info.get("images")
    if not isinstance(texts, list) or not isinstance(names, list) or len(texts) != len(names):
        raise SampleError("bad_lists", "texts and images are not two lists of one length")
    if not all(item is None or isinstance(item, str) for item in (*texts, *names)):
        raise SampleError("bad_lists", "an entry is neither a string nor null")
    if any(name and "://" in name for name in names):
        return tuple(texts), _in_order(names, members)
    return tuple(texts), tuple(_member(name, key, members) if name else None for name in names)


def _member(name: str, key: str, members: Mapping[str, bytes]) -> bytes:
    """Return the image that an entry of the list names."""
    field = name.removeprefix(f"{key}.")
    if field not in members:
        field = name.rpartition("/")[2].removeprefix(f"{key.rpartition('/')[2]}.").lower()
        front, dot, extension = field.rpartition(".")
        field = f"{front}{dot}{_SAME.get(extension, extension)}"
    if field not in members:
        raise SampleError("missing_image", name[:80])
    return members[field]


def _in_order(names: list[str | None], members: Mapping[str, bytes]) -> tuple[bytes | None, ...]:
    """Return the k-th image for the k-th entry that is not null."""
    fields = sorted(field for field in members if field.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS)
    if len(fields) != sum(1 for name in names if name):
        raise SampleError("missing_image", f"{len(fields)} images for the URLs of {len(names)} entries")
    following = iter(fields)
    return tuple(members[next(following)] if name else None for name in names)


def _mmc4(info: Mapping[str, Any]) -> Lists:
    """Return MMC4's sentences, each after its images; an entry without image_base64 is skipped, as in its readers."""
    sentences, entries = info["text_list"], info.get("image_info")
    if not isinstance(sentences, list) or not isinstance(entries, list):
        raise SampleError("bad_lists", "text_list or image_info is not a list")
    before: dict[int, list[bytes]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("matched_text_index"), int):
            raise SampleError("bad_lists", "an image has no sentence")
        if entry.get("image_base64"):
            before.setdefault(entry["matched_text_index"], []).append(_decode(entry["image_base64"]))
    texts: list[str | None] = []
    images: list[bytes | None] = []
    for number, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise SampleError("bad_lists", "a sentence is not a string")
        found = before.pop(number, [])
        texts += [None] * len(found) + [sentence]
        images += [*found, None]
    if before:
        raise SampleError("bad_lists", f"an image belongs to sentence {min(before)} of {len(sentences)}")
    return tuple(texts), tuple(images)


def _decode(text: object) -> bytes:
    """Return the bytes of base64, which may be cut into lines (MIME), be a data URL, URL-safe, or without padding."""
    try:
        return base64.b64decode(text, validate=True)  # type: ignore[arg-type]
    except (binascii.Error, ValueError, TypeError) as error:
        compact = _standard_base64(text) if isinstance(text, str) else text
        if compact == text:
            raise SampleError("bad_base64", str(error)) from error
    return _decode(compact)


def _standard_base64(text: str) -> str:
    """Return base64 on one line, in the standard alphabet, padded."""
    bare = "".join(_DATA_URL.sub("", text, count=1).split()).translate(_URL_SAFE).rstrip("=")
    return bare + "=" * (-len(bare) % 4)
