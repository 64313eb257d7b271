"""Resources of the bundled website, one per host and path; a body is generated at its first request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass
class Resource:
    """An HTTP response: status, content type, further headers, and the body or a function that returns it."""

    make: Callable[[], bytes] | bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @cached_property
    def body(self) -> bytes:
        """Return the body, generated once."""
        return self.make if isinstance(self.make, bytes) else self.make()


@dataclass(frozen=True)
class PageTruth:
    """Ground truth of a page, for tests: its kind, and the classes of its pictures in order."""

    host: str
    path: str
    kind: str
    """good, boilerplate, language, duplicate, near_duplicate, noai, robots, small_images, hostile."""
    labels: tuple[str, ...] = ()


@dataclass
class World:
    """All hosts of the bundled website: (host, path) -> resource, and the ground truth of its pages."""

    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    pages: list[PageTruth] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    """Pages to start from, as host/path."""
    exam_seeds: list[str] = field(default_factory=list)
    """Pages to start from on the exam host, to which no page links."""

    def add(self, host: str, path: str, resource: Resource) -> None:
        """Add a resource to a host."""
        self.resources[host, path] = resource

    def add_page(self, host: str, path: str, html: str, kind: str, labels: tuple[str, ...] = ()) -> None:
        """Add a page to a host, with its ground truth."""
        self.add(host, path, Resource(html.encode()))
        self.pages.append(PageTruth(host, path, kind, labels))

    @property
    def hosts(self) -> list[str]:
        """Return the virtual hosts."""
        return sorted({host for host, _ in self.resources})

    def seed_urls(self, port: int, *, exam: bool = False) -> list[str]:
        """Return the URLs to start from, given the port that the website is served on."""
        seeds = self.exam_seeds if exam else self.seeds
        return [f"http://{seed.split('/', 1)[0]}:{port}/{seed.split('/', 1)[1]}" for seed in seeds]
