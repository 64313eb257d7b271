"""Downloads and unpacks the real sites, two Debian packages of static HTML, without installing them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusloom.schemas.errors import InputError


@dataclass(frozen=True, slots=True)
class Site:
    """A Debian package that holds a web site."""

    package: str
    root: str
    """The site's folder inside the package."""
    host: str


SITES = (
    Site("gimp-help-en", "usr/share/gimp/2.0/help/en", "gimp.localhost"),
    Site("python-skimage-doc", "usr/share/doc/python-skimage-doc/html", "skimage.localhost"),
)

TRAP_HOST = "trap.localhost"
"""Host of one page of ours whose links and image redirect to forbidden addresses."""
TRAPS = {
    "/away.html": "port_not_allowed",
    "/away.png": "port_not_allowed",
    "/metadata.html": "address_not_public",
    "/private/page.html": "robots_disallowed",
}
"""Expected reasons in the ledger: path of the trap's host -> reason."""
_TRAP_PAGE = """<!doctype html><html lang="en"><head><title>A page with three ways out</title></head><body>
<h1>A page with three ways out</h1>
<p>This page was written to stand beside the real sites. Its link and its picture are harmless to look at, but the
server answers both with a redirect to another address of the same machine. Whoever fetches pages from inside a network
must not go there, whatever the page says, and has to put the refusal on record with the reason.</p>
<p><a href="/away.html">The first way out is a link</a>, <a href="/metadata.html">the second leads to the address at
which clouds hand out credentials</a>, and the third way out is a picture:</p>
<img src="/away.png" alt="a picture that lies at an address nobody may reach" width="400" height="300">
<p><a href="/private/page.html">This one the owner of the site has asked all robots to leave alone</a>.</p>
</body></html>
"""


def find_package(package: str, folders: Sequence[Path]) -> Path | None:
    """Return the newest .deb of a package among folders."""
    found = [path for folder in folders for path in sorted(folder.glob(f"{package}_*.deb"))]
    return found[-1] if found else None


def obtain(site: Site, cache: Path, given: Path | None) -> Path:
    """Return a site's package: from the folder `debs` if given, else from the cache, else by apt-get download."""
    found = find_package(site.package, [given] if given else [cache])
    if found is not None:
        return found
    if given is not None:
        raise InputError(f"holds no {site.package}_*.deb", where=str(given), remedy="leave --debs out to download it")
    cache.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", "--quiet", site.package], cache, "run apt-get update first, or pass --debs FOLDER")
    found = find_package(site.package, [cache])
    assert found is not None, f"apt-get download left no {site.package} in {cache}"
    return found


def unpack(site: Site, package: Path, folder: Path) -> Path:
    """Unpack a package below a folder; return the site's folder in it."""
    target = folder / site.package
    target.mkdir(parents=True)
    _run(
        ["dpkg-deb", "--extract", str(package.resolve()), str(target.resolve())],
        folder,
        "delete the package and download it again",
    )
    return target / site.root


def write_trap(folder: Path) -> Path:
    """Write the trap's page and its robots.txt; return its folder."""
    root = folder / "trap"
    (root / "private").mkdir(parents=True)
    (root / "index.html").write_text(_TRAP_PAGE)
    (root / "private" / "page.html").write_text("<p>Not for robots.</p>")
    (root / "robots.txt").write_text("User-agent: *\nDisallow: /private/\n")
    return root


def trap_rules(canary: int) -> str:
    """Return nginx's directives that redirect /away to the canary's port, and /metadata to a cloud's metadata."""
    away = f"location /away {{ return 302 http://127.0.0.1:{canary}$request_uri; }}"
    return f"{away} location /metadata {{ return 302 http://169.254.169.254/latest/meta-data/; }}"


def _run(command: list[str], folder: Path, remedy: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError("is not on this machine", where=command[0], remedy="make real needs Debian's tools") from error
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["failed"])[-1]
        raise InputError(message, where=" ".join(command), remedy=remedy)
