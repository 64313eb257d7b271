"""Refusals by our own policy: the settings that decide each, and whether one still holds under others."""

import dataclasses

import pytest

from corpusloom.pipelines.net.config import SIGNALS, FetchConfig
from corpusloom.pipelines.net.refusals import DEPENDS_ON, Policy

OPEN = ("127.0.0.0/8:80", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("reason", "changes", "settings"),
    [
        ("address_not_public", {}, None),
        ("address_not_public", {"allow_addresses": OPEN}, "allow_addresses=10.0.0.0/8,127.0.0.0/8:80"),
        ("port_not_allowed", {"allow_addresses": OPEN[:1]}, "allow_addresses=127.0.0.0/8:80"),
        ("robots_disallowed", {"agents": ("CCBot",)}, "agents=CCBot"),
        ("robots_disallowed", {"robots_txt": False, "agents": ("b", "a")}, "robots_txt=False agents=a,b"),
        ("robots_disallowed", {"allow_addresses": OPEN, "delay": 0}, None),
        ("crawl_delay_too_long", {"max_crawl_delay": 90.0}, "max_crawl_delay=90.0"),
        ("body_too_large", {"max_image_bytes": 9}, "max_image_bytes=9"),
        ("too_many_redirects", {"max_redirects": 9}, "max_redirects=9"),
        ("tls_bad_certificate", {"ca_file": "a.pem"}, "ca_file=a.pem"),
        ("opt_out_noai", {}, None),
        ("opt_out_noai", {"honour": ("noml",)}, "honour=-noai"),
        ("opt_out_ai_txt", {"honour": ()}, "honour=-ai.txt"),
        ("opt_out_train_ai", {"honour": ("train-ai",)}, None),
        ("opt_out_x_robots_tag", {"honour": ()}, None),
        ("http_404", {"allow_addresses": OPEN, "honour": ()}, None),
        (None, {"honour": ()}, None),
    ],
)
def test_each_reason_depends_on_its_settings(reason: str, changes: dict[str, object], settings: str | None) -> None:
    policy = Policy(fetch=dataclasses.replace(FetchConfig(), **changes))  # type: ignore[arg-type]
    assert policy.settings_of(reason) == settings
    assert policy.decided(reason, settings)
    assert policy.decided(reason, None) is (settings is None)


def test_a_blocklist_decides_by_its_content_and_rows_without_settings_stay() -> None:
    policy = Policy(fetch=FetchConfig(), blocklists="abc")
    assert policy.decided("blocked_url", "blocklists=abc")
    assert policy.decided("blocked_url", None)
    assert not Policy(fetch=FetchConfig()).decided("blocked_url", "blocklists=abc")


def test_every_setting_is_one_of_the_fetcher() -> None:
    names = {field.name for field in dataclasses.fields(FetchConfig)}
    assert {name for fields in DEPENDS_ON.values() for name in fields} <= names


def test_an_opt_out_is_decided_by_its_own_signal() -> None:
    policy = Policy(fetch=FetchConfig(honour=()))
    reasons = [f"opt_out_{name.replace('-', '_').replace('.', '_')}" for name in SIGNALS]
    assert [policy.settings_of(reason) for reason in reasons] == [f"honour=-{name}" for name in SIGNALS]
