"""What the bundled web answers: a resource a path, its body made when it is first asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass
class Resource:
    """One answer of one host: status, type, extra headers, and the body or the function that makes it."""

    make: Callable[[], bytes] | bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @cached_property
    def body(self) -> bytes:
        """Return the body; made once."""
        return self.make if isinstance(self.make, bytes) else self.make()


@dataclass(frozen=True)
class PageTruth:
    """What is known of a page of the world, for tests: its kind and the classes of its pictures in order."""

    host: str
    path: str
    kind: str
    """good, boilerplate, language, duplicate, near_duplicate, noai, robots, small_images, hostile."""
    labels: tuple[str, ...] = ()


@dataclass
class World:
    """All hosts of the bundled web: (host, path) -> resource, and the truth about its pages."""

    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    pages: list[PageTruth] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    """Paths to start from, as host/path."""
    exam_seeds: list[str] = field(default_factory=list)
    """Those of the exam: a host that nothing links to."""

    def add(self, host: str, path: str, resource: Resource) -> None:
        """Put a resource on a host."""
        self.resources[host, path] = resource

    def add_page(self, host: str, path: str, html: str, kind: str, labels: tuple[str, ...] = ()) -> None:
        """Put a page on a host, with what is true of it."""
        self.add(host, path, Resource(html.encode()))
        self.pages.append(PageTruth(host, path, kind, labels))

    @property
    def hosts(self) -> list[str]:
        """Return the virtual hosts."""
        return sorted({host for host, _ in self.resources})

    def seed_urls(self, port: int, *, exam: bool = False) -> list[str]:
        """Return the URLs to start from, when the world is served on a port."""
        seeds = self.exam_seeds if exam else self.seeds
        return [f"http://{seed.split('/', 1)[0]}:{port}/{seed.split('/', 1)[1]}" for seed in seeds]
