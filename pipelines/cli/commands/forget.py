"""`loom forget`: removes pages, images or domains from a dataset and its sources (take-down)."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Remove pages, images or pairs from a dataset, and from the store and stages that it was built from.

    The image store records take-downs as hashes, and later builds on that store apply them. Only affected shards are
    written again. The ledger keeps the key and the reason `forgotten`. Affected regions that were built from the
    dataset are built again; reports outside its folder are deleted. Input lists and folders of img2dataset are not
    changed, but later builds skip the records taken down.

    Examples:
      loom forget data/m3w --url https://example.org/page.html
      loom forget data/m3w --domain example.org --warc
      loom forget data/align --list takedown.txt
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder of the dataset."""
    url: tuple[str, ...] = ()
    """URLs of pages or images."""
    domain: tuple[str, ...] = ()
    """Domains, with all their subdomains (example.org, *.example.org)."""
    sha256: tuple[str, ...] = ()
    """sha256 of images, over their bytes as fetched."""
    key: tuple[str, ...] = ()
    """Keys of samples or images."""
    listed: Annotated[str | None, tyro.conf.arg(name="list")] = None
    """Text file with one URL, domain, sha256 or key per line."""
    warc: bool = False
    """Also rewrite the WARCs without the records (for WARCs of your own only)."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Take the records down and print what was rewritten."""
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
            show(f"{self.dataset}: {len(done.shards)} shards rewritten, {len(done.warcs)} WARCs; {done.digest}")
            for path in done.derived:
                show(f"made from it, purged: {path}")
        for path in done.left:
            show(f"made from it, but out of reach: {path}; purge it by hand", err=True)
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
