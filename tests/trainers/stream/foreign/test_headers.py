"""Headers of tars: every name is a text, whatever wrote it and whatever the locale."""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import DamageError
from corpusloom.trainers.stream.foreign.headers import read_headers


def write(path: Path, names: list[str], **options: Any) -> str:
    with tarfile.open(path, "w", **options) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name.encode("utf-8", "replace"))
            archive.addfile(info, io.BytesIO(name.encode("utf-8", "replace")))
    return str(path)


LONG = "a/" * 120 + "grün.jpg"


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_with_accents_are_whole_and_point_to_their_data(tmp_path: Path, kind: int) -> None:
    path = write(tmp_path / "a.tar", [LONG, "café.txt", "./b.jpg"], format=kind, encoding="utf-8")
    headers = list(read_headers(path, True))
    assert [header.name for header in headers] == [LONG, "café.txt", "./b.jpg"]
    data = Path(path).read_bytes()
    for header in headers:
        assert data[header.offset : header.offset + header.size] == header.name.encode()
        assert header.sha256 == hashlib.sha256(header.name.encode()).hexdigest()


def test_a_name_that_is_not_utf8_is_escaped_in_any_locale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", ["café.jpg", "cafè.jpg"], format=tarfile.GNU_FORMAT, encoding="latin-1")
    found = [r"caf\xe9.jpg", r"caf\xe8.jpg"]
    assert [header.name for header in read_headers(path, False)] == found
    program = f"""
from corpusloom.trainers.stream.foreign.headers import read_headers
print([header.name for header in read_headers({path!r}, False)])
"""
    for locale in ("C", "C.UTF-8"):
        said = subprocess.run(
            [sys.executable, "-X", "utf8=0", "-c", program], capture_output=True, check=True, env={"LC_ALL": locale}
        )
        assert said.stdout.decode().strip() == str(found)


def test_a_pax_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write(path, [LONG], format=tarfile.PAX_FORMAT, encoding="utf-8")
    path.write_bytes(path.read_bytes().replace("grün".encode(), b"gr\xfc\xfcn"))
    (header,) = read_headers(str(path), False)
    assert header.name == "a/" * 120 + r"gr\xfc\xfcn.jpg"


def test_a_tar_that_ends_inside_a_member_is_damaged(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.tar", ["1.jpg"]))
    path.write_bytes(path.read_bytes()[:515])
    with pytest.raises(DamageError, match=r"ends inside 1\.jpg|not a readable tar"):
        list(read_headers(str(path), False))


def test_a_tar_in_gzip_is_refused_with_what_helps(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.tar", ["1.jpg"]))
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DamageError, match="decompress it"):
        list(read_headers(str(path), False))
