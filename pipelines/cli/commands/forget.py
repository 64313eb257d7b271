"""`loom forget`: removes pages, images or domains from a dataset and its sources (take-down)."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError

if TYPE_CHECKING:
    from corpusloom.pipelines.datasets.takedown import Matches, TakeDown


@dataclass(frozen=True, kw_only=True)
class Command:
    """Remove pages, images or pairs from a dataset, and from the store and stages that it was built from.

    The image store records take-downs as hashes, and later builds on that store apply them. Only affected shards are
    written again. The ledger keeps the key and the reason `forgotten`. Affected regions that were built from the
    dataset are built again; reports outside its folder are deleted. Input lists and folders of img2dataset are not
    changed, but later builds skip the records taken down. Other datasets on the same image store are named if they
    hold a matching sample. A request that matches nothing changes nothing; the exit code is then 4.

    Examples:
      loom forget data/m3w --domain example.org --dry-run
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
    dry_run: bool = False
    """Print what each request matches, and change nothing."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Take the records down and print what matched and what was rewritten."""
        from corpusloom.pipelines.datasets.takedown import NOTHING_MATCHED, Request, take_down

        named = {"url": [*self.url], "domain": [*self.domain], "sha256": [*self.sha256], "key": [*self.key]}
        for line in self._lines():
            named[_kind_of(line)].append(line)
        for kind in ("sha256", "key"):
            named[kind] = [value.lower() for value in named[kind]]
        requests = [Request(kind, value) for kind, values in named.items() for value in dict.fromkeys(values)]
        if not requests:
            raise ConfigError("nothing to forget", where="loom forget", remedy="name it: --url, --domain, --sha256 ...")
        made = take_down(self.dataset, requests, self.output.reporter(), warc=self.warc, dry_run=self.dry_run)
        if self.output.json:
            print_json(made)
        else:
            self._show(made)
        self._warn(made)
        missed = any(not (match.found or match.known) for match in made.matches)
        return NOTHING_MATCHED if missed else 0

    def _show(self, made: "TakeDown") -> None:
        """Print what each request matched and what was changed."""
        for match in made.matches:
            if match.found or match.known:
                show(f"{match.request}: {_counted(match)}")
        if made.done is None:
            show(f"{self.dataset}: nothing was changed; {len(made.shards)} shards hold matching samples")
            return
        done = made.done
        show(f"{self.dataset}: {len(done.shards)} shards rewritten, {len(done.warcs)} WARCs; {done.digest}")
        for path in done.derived:
            show(f"made from it, purged: {path}")

    def _warn(self, made: "TakeDown") -> None:
        """Print what a take-down does not reach on standard error."""
        for match in made.matches:
            if not (match.found or match.known):
                near = f"; did you mean {', or '.join(match.near)}?" if match.near else ""
                show(f"warning: {match.request}: no record matches, nothing was changed{near}", err=True)
        flags = " ".join(str(match.request) for match in made.matches if match.found or match.known)
        if len(flags) > 300:
            flags = "with the same requests"
        for sibling in made.siblings:
            show(
                f"{sibling.dataset}, on the same image store, holds {sibling.samples} samples of it too: "
                f"loom forget {sibling.dataset} {flags}",
                err=True,
            )
        for path in made.done.left if made.done else ():
            show(f"made from it, but out of reach: {path}; purge it by hand", err=True)

    def _lines(self) -> list[str]:
        if self.listed is None:
            return []
        try:
            lines = storage.read_bytes(self.listed).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 text: {error}", where=self.listed, remedy="save it as UTF-8") from error
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _kind_of(line: str) -> str:
    if "://" in line:
        return "url"
    digits = not set(line.lower()) - set("0123456789abcdef")
    return "sha256" if digits and len(line) == 64 else "key" if digits and len(line) == 32 else "domain"


def _counted(match: "Matches") -> str:
    """Return the matches of a request as text."""
    counts = {
        "samples": match.samples,
        "pages and pairs of the work folder": match.records,
        "stored image URLs": match.images,
        "WARC records": match.warc_records,
    }
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return shown + (" (taken down before)" if match.known else "") if shown else "taken down before; nothing is left"
