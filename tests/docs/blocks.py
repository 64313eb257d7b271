"""Code blocks of a Markdown page that change files, and how they are applied to a copy of the repository.

The line above a block names its file: "`path`:" for an edit, which is a `diff` block, and "`path`, a new file:"
for a whole file.
"""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^ *`([\w./-]+)`(, a new file)?:\n\n( *)```(\w+)\n(.*?)\n\3```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One block that changes a file."""

    path: str
    """Path below the repository's root."""
    is_new: bool
    """True if the block is the whole file."""
    text: str
    """The block without its indentation."""

    def apply(self, folder: Path) -> None:
        """Write the new file, or add the lines that start with + where the other lines stand."""
        file = folder / self.path
        if self.is_new:
            assert not file.exists(), f"{self.path} exists"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text + "\n", "utf-8")
            return
        lines = self.text.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = file.read_text("utf-8")
        assert text.count(before) == 1, f"{self.path} holds these lines {text.count(before)} times:\n{before}"
        file.write_text(text.replace(before, after), "utf-8")


def sections(page: str) -> dict[str, str]:
    """Return title -> text of the sections of a page in the repository."""
    parts = re.split(r"^## (.+)\n", (ROOT / page).read_text("utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(section: str) -> Iterator[Block]:
    """Yield the blocks of a section that change files, in order."""
    for path, new, _, _, text in _BLOCK.findall(section):
        yield Block(path, bool(new), textwrap.dedent(text))


def copy_repository(folder: Path) -> Path:
    """Copy tracked files, and untracked ones that git does not ignore, to a folder; return the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file() or source.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return folder
