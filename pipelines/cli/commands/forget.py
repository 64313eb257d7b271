"""`loom forget`: take-down."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Take down pages, images or pairs from a dataset, and from the store and stages that it was made of.

    Recorded as hashes in the image store, so that no later build on that store brings them back. Only the shards
    concerned are written anew. The ledger keeps the key and the reason `forgotten`. Regions made from the dataset are
    made anew where they are concerned, reports that were written elsewhere removed. Lists and img2dataset's folders
    that were read stay as they are, and what they name stays away.

    Examples:
      loom forget data/m3w --url https://example.org/page.html
      loom forget data/m3w --domain example.org --warc
      loom forget data/align --list takedown.txt
    """

    dataset: Annotated[str, tyro.conf.Positional]
    """Folder of the dataset."""
    url: tuple[str, ...] = ()
    """URLs of pages or images."""
    domain: tuple[str, ...] = ()
    """Domains: all below them goes too (example.org, *.example.org)."""
    sha256: tuple[str, ...] = ()
    """Images by the sha256 of their bytes as fetched."""
    key: tuple[str, ...] = ()
    """Samples or images by their keys."""
    listed: Annotated[str | None, tyro.conf.arg(name="list")] = None
    """A text file with a URL, domain, sha256 or key a line."""
    warc: bool = False
    """Also write the WARCs anew without the records (only do this to WARCs of your own)."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Forget."""
        from corpusloom.pipelines.datasets.forget import forget, make_tombstones

        named = {"url": [*self.url], "domain": [*self.domain], "sha256": [*self.sha256], "key": [*self.key]}
        for line in self._lines():
            named[_kind_of(line)].append(line)
        if not any(named.values()):
            raise ConfigError("nothing to forget", where="loom forget", remedy="name it: --url, --domain, --sha256 ...")
        stones = make_tombstones(
            urls=tuple(named["url"]),
            domains=tuple(named["domain"]),
            sha256=tuple(named["sha256"]),
            keys=tuple(named["key"]),
        )
        done = forget(self.dataset, stones, self.output.reporter(), warc=self.warc)
        if self.output.json:
            print_json(done)
        else:
            print(f"{self.dataset}: {len(done.shards)} shards written anew, {len(done.warcs)} WARCs; {done.digest}")
            for path in done.derived:
                print(f"made from it, purged: {path}")
        for path in done.left:
            print(f"made from it and out of reach: {path}; purge it by hand", file=sys.stderr)
        return 0

    def _lines(self) -> list[str]:
        if self.listed is None:
            return []
        lines = storage.read_bytes(self.listed).decode("utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _kind_of(line: str) -> str:
    if "://" in line:
        return "url"
    digits = not set(line) - set("0123456789abcdef")
    return "sha256" if digits and len(line) == 64 else "key" if digits and len(line) == 32 else "domain"
