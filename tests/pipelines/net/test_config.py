"""The fetcher's configuration: defaults per kind, contradictions, and proxies that are ignored."""

import pytest

from corpusloom.pipelines.net.config import SIGNALS, SLOTS_WITHOUT_DELAY, FetchConfig, FetchKind, ignored_proxies
from corpusloom.schemas.errors import ConfigError

LOOPBACK = {"allow_addresses": ("127.0.0.0/8",)}


@pytest.mark.parametrize(
    ("kind", "delay", "slots", "cap"),
    [("page", 1.0, 1, 10_000_000), ("image", 0.1, 4, 30_000_000), ("robots", 1.0, 1, 512_000)],
)
def test_defaults_depend_on_the_kind(kind: FetchKind, delay: float, slots: int, cap: int) -> None:
    config = FetchConfig()
    assert (config.delay_of(kind), config.slots_of(kind), config.cap_of(kind)) == (delay, slots, cap)
    assert not config.no_delay


@pytest.mark.parametrize("kind", ["page", "image"])
def test_delay_and_slots_replace_the_defaults_of_every_kind(kind: FetchKind) -> None:
    config = FetchConfig(delay=2.5, slots=7)
    assert (config.delay_of(kind), config.slots_of(kind)) == (2.5, 7)


def test_without_a_delay_there_are_more_slots_unless_they_are_given() -> None:
    assert FetchConfig(delay=0, **LOOPBACK).slots_of("page") == SLOTS_WITHOUT_DELAY
    assert FetchConfig(delay=0, slots=2, i_own_these_hosts=True).slots_of("image") == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"delay": 0}, "overload"),
        ({"delay": -0.1}, "negative"),
        ({"honour": ("noai", "nonsense")}, "unknown opt-out signal 'nonsense'"),
        ({"allow_addresses": ("nonsense",)}, "allow-addresses"),
        ({"slots": 0}, "connections or slots below 1"),
        ({"connections": 0}, "connections or slots below 1"),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FetchConfig(contact="t@example.org", **values)  # type: ignore[arg-type]


def test_every_known_signal_can_be_honoured_alone() -> None:
    assert [FetchConfig(honour=(name,)).honour for name in SIGNALS] == [(name,) for name in SIGNALS]


def test_a_contact_is_needed_to_fetch() -> None:
    with pytest.raises(ConfigError, match="--contact"):
        FetchConfig().require_contact()


@pytest.mark.parametrize(
    "contact",
    [
        "", "  ", "a\r\nX: y", "gr\u00fcn@example.org", "notanaddress", "me@localhost", "@example.org", "me@example.",
        "http://localhost/", "https://", "ftp://example.org/bot", "example.org", "https://example.org/a bot",
        "a b@c.org",
    ],
)  # fmt: skip
def test_a_contact_that_reaches_nobody_is_refused_at_once(contact: str) -> None:
    with pytest.raises(ConfigError, match="--contact"):
        FetchConfig(contact=contact)


@pytest.mark.parametrize(
    "contact",
    ["me@example.org", "mailto:bot+a@sub.example.org", "https://example.org", "http://example.org:8080/bot?x=1"],
)
def test_a_url_or_a_mail_address_is_a_contact(contact: str) -> None:
    FetchConfig(contact=contact).require_contact()


def test_the_user_agent_names_us_and_the_contact() -> None:
    config = FetchConfig(contact="https://example.org/bot")
    config.require_contact()
    name, contact = config.user_agent.split(" ")
    assert name.startswith("corpusloom/")
    assert name.removeprefix("corpusloom/")[0].isdigit()
    assert contact == "(+https://example.org/bot)"


def test_proxies_of_the_environment_are_named_in_a_warning() -> None:
    found = ignored_proxies({"HTTPS_PROXY": "http://p:1", "all_proxy": "socks://q", "http_proxy": "", "no_proxy": "x"})
    assert found == "ignoring HTTPS_PROXY, all_proxy: a proxy would bypass the address policy"
    assert ignored_proxies({"no_proxy": "x", "PATH": "/bin"}) is None
