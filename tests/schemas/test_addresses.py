"""Addresses, ports and URLs to which connections are allowed."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas import addresses
from corpusloom.schemas.addresses import (
    SPECIAL,
    AddressPolicy,
    RefusedError,
    clean_url,
    is_clean,
    is_public,
    join_url,
)
from corpusloom.schemas.errors import ConfigError

PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")
FORBIDDEN = (
    "127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1",
    "255.255.255.255", "0.0.0.0", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "4000::1",
    "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:a00:1::",
    "2001:0:808:808::f5ff:fffe", "2001:db8::1", "2a00::5efe:10.0.0.1", "2a00::200:5efe:192.168.0.1", "nonsense",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    AddressPolicy().check(address, 443)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden_addresses_are_refused(address: str) -> None:
    with pytest.raises(RefusedError) as caught:
        AddressPolicy().check(address, 80)
    assert caught.value.reason == "address_not_public"


@pytest.mark.parametrize("text", [text for text, _ in SPECIAL])
def test_both_ends_of_every_special_range_are_refused(text: str) -> None:
    network = ipaddress.ip_network(text)
    assert not is_public(network[0])
    assert not is_public(network[-1])


@given(st.integers(0, 2**32 - 1))
def test_an_embedded_address_is_as_good_as_itself(number: int) -> None:
    own = is_public(ipaddress.IPv4Address(number))
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    nat64 = ipaddress.IPv6Address(0x64FF9B << 96 | number)
    six_to_four = ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1)
    assert [is_public(address) for address in (mapped, nat64, six_to_four)] == [own] * 3


@pytest.mark.parametrize("port", [22, 25, 6379, 11211, 65535])
def test_other_ports_are_refused(port: int) -> None:
    with pytest.raises(RefusedError) as caught:
        AddressPolicy().check("8.8.8.8", port)
    assert caught.value.reason == "port_not_allowed"


@pytest.mark.parametrize(
    ("entry", "address", "port", "passes"),
    [
        ("127.0.0.0/8:8765", "127.0.0.1", 8765, True),
        ("127.0.0.0/8:8765", "127.0.0.1", 80, False),
        ("127.0.0.0/8:8765", "::ffff:127.0.0.1", 8765, True),
        ("127.0.0.0/8", "127.9.9.9", 1234, True),
        ("[::1]/128:8080", "::1", 8080, True),
        ("[::1]:9090", "::1", 9090, True),
        ("::1/128", "::1", 80, True),
        ("10.0.0.0/24:80", "10.0.1.1", 80, False),
    ],
)
def test_addresses_that_are_allowed_explicitly_pass(entry: str, address: str, port: int, passes: bool) -> None:
    policy = AddressPolicy((entry,))
    if passes:
        policy.check(address, port)
    else:
        with pytest.raises(RefusedError):
            policy.check(address, port)


@pytest.mark.parametrize("entry", ["nonsense", "127.0.0.1:99999", "127.0.0.1:x", "300.0.0.1"])
def test_a_malformed_entry_is_a_config_error(entry: str) -> None:
    with pytest.raises(ConfigError, match="allow-addresses"):
        AddressPolicy((entry,))


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("HTTP://User:pw@Example.ORG:80/a b?q=ü#frag", "http://example.org/a%20b?q=%C3%BC"),
        ("https://grün.example", "https://xn--grn-ioa.example/"),
        ("http://example.org./x", "http://example.org/x"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://a.example/%2F%zz", "http://a.example/%2F%zz"),
        ("http:\\\\a.example\\b\\..\\c?d\\e", "http://a.example/c?d%5Ce"),
        ("http:a.example", "http://a.example/"),
        ("http:////a.example//b", "http://a.example//b"),
        ("\x00 http://a.ex\nample/a\tb\x1f", "http://a.example/ab"),
        ("http://a.example/a/./b/../%2e%2E/.%2e/c/..", "http://a.example/"),
        ("http://a.example/a/..b/.c", "http://a.example/a/..b/.c"),
        ("http://a.example:0080?", "http://a.example/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://2130706434:8080/", "http://127.0.0.2:8080/"),
        ("http://fa\u00df.example/", "http://xn--fa-hia.example/"),
        ("http://[::FFFF:1.2.3.4]/", "http://[::ffff:102:304]/"),
    ],
)
def test_urls_are_cleaned(url: str, cleaned: str) -> None:
    assert clean_url(url) == cleaned


@pytest.mark.parametrize(
    "url", ["http://a.example/\udce9", "http://a.example/?\ud800", "http://", "//a.example/", "http:?"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="bad_url"):
        clean_url(url)


@given(st.text(max_size=200))
def test_any_text_is_a_clean_url_or_refused(text: str) -> None:
    try:
        url = clean_url(text)
    except RefusedError:
        return
    assert url.startswith(("http://", "https://"))
    assert url.isascii()
    assert not set(url) & set("\r\n\t \x00")


@given(
    st.from_regex(r"https?://[a-z0-9_.-]{1,12}(:[0-9]{1,5})?/[a-zA-Z0-9.~!$&'()*+,;=:@/%?\[\]#-]{0,12}", fullmatch=True)
)
def test_the_short_way_for_clean_urls_changes_nothing(url: str) -> None:
    if is_clean(url):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(addresses, "is_clean", lambda url: False)
            assert clean_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/", "https://a-b.c_d.example:8080/x/y.jpg?a=b&c[]=%20", "http://127.0.0.1:8765/a",
        "http://93.184.215.14/x", "http://localhost/",
    ],
)  # fmt: skip
def test_usual_urls_go_the_short_way(url: str) -> None:
    assert is_clean(url)


@pytest.mark.parametrize(
    ("base", "reference", "joined"),
    [
        ("http://a.example/x/", "y", "http://a.example/x/y"),
        ("http://a.example/x/", "http:y", "http://a.example/x/y"),
        ("http://a.example/x/", "https:b.example", "https:b.example"),
        ("https://a.example/x/", "HTTP:/b.example", "HTTP:/b.example"),
        ("http://a.example/x/", "\\\\b.example\\c?d\\e", "http://b.example/c?d\\e"),
        ("http://a.example/x/", "////b.example", "http://b.example"),
        ("http://a.example/x/", " \t/y\n#z ", "http://a.example/y#z"),
        ("http://a.example/x/?q", "", "http://a.example/x/?q"),
        ("http://a.example/x/", "?q", "http://a.example/x/?q"),
        ("http://a.example/x/", "ftp://b.example", "ftp://b.example"),
        ("http://a.example/web/1/http://b.example/x", "y.png", "http://a.example/web/1/http://b.example/y.png"),
        ("http://a.example/x//y", "../z", "http://a.example/x/z"),
        ("http://a.example/x/", "/..//y", "http://a.example//y"),
        ("http://a.example/x/?u=//", "y//z?//#//", "http://a.example/x/y//z?//#//"),
    ],
)
def test_references_lead_where_browsers_go(base: str, reference: str, joined: str) -> None:
    assert join_url(base, reference) == joined
