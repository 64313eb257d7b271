"""The page's server: on loopback, only for its own page, one reply at a time, and errors as JSON."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.chat import page_server
from corpusloom.trainers.flamingo.chat.dialogue import COMPLETION, DialogueForm
from corpusloom.trainers.flamingo.chat.page_server import PageServer, render, serving

MODEL: Any = type("Model", (), {"form": DialogueForm("", "Q:", "A:")})()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    """Return a server whose replies are the lengths of requests."""
    monkeypatch.setattr(page_server, "reply_to", lambda body, responder: str(len(body)))
    server = PageServer(MODEL, "runs/<b>x</b>")
    with serving(server):
        yield server


def asked(server: PageServer, method: str, path: str, body: bytes = b"", **headers: str | None) -> tuple[int, Any, str]:
    """Return status, headers and body of an answer; by default the request is the page's own."""
    own = {"Host": server.hosts[0], "Content-Length": str(len(body))}
    own |= {"Origin": f"http://{server.hosts[0]}", "Content-Type": "application/json"} if method == "POST" else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {**own, **given}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_the_page_has_a_strict_policy_and_its_texts_are_escaped(served: PageServer) -> None:
    status, headers, page = asked(served, "GET", served.path)
    assert status == 200
    nonces = set(re.findall(r'nonce="([^"]+)"', page))
    assert len(nonces) == 1
    policy = headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; script-src 'nonce-{nonces.pop()}'")
    assert "runs/&lt;b&gt;x&lt;/b&gt;" in page
    assert not re.search(r"https?://|\{\{", page)
    assert headers["Cache-Control"] == "no-store"
    assert asked(served, "GET", served.path)[1]["Content-Security-Policy"] != policy


def test_keywords_cannot_end_the_script() -> None:
    page = render("x", DialogueForm("", "</script><b>", "A:"), "n")
    assert page.count("</script>") == 1
    assert "\\u003c/script>" in page
    assert '"Question:"' in render("x", COMPLETION, "n")


def test_a_request_that_names_another_host_is_refused(served: PageServer) -> None:
    for host in ("evil.example", f"evil.example:{served.server_port}", "127.0.0.1", None):
        for method, path in (("GET", served.path), ("POST", f"{served.path}/reply")):
            status, _, text = asked(served, method, path, b"{}", Host=host)
            assert status == 403
            assert "another host" in text
    assert asked(served, "GET", served.path, Host=served.hosts[1])[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "http://127.0.0.1", "https://{host}"])
def test_a_request_of_another_origin_is_refused(served: PageServer, origin: str | None) -> None:
    sent = origin and origin.replace("{host}", served.hosts[0])
    status, _, text = asked(served, "POST", f"{served.path}/reply", b"{}", Origin=sent)
    assert status == 403
    assert "not from the page" in text


def test_nothing_is_served_without_the_secret(served: PageServer) -> None:
    other = PageServer(MODEL, "")
    other.server_close()
    assert other.path != served.path
    assert len(served.path) > 20
    for path in ("/", "/reply", f"{other.path}", f"{other.path}/reply", f"{served.path}/../etc/passwd"):
        assert asked(served, "GET", path)[0] == 404
        assert asked(served, "POST", path, b"{}")[0] == 404


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "1" * 30}, 413),
        ({"Content_Length": str(page_server.MOST_BODY + 1)}, 413),
    ],
)
def test_a_request_of_another_type_or_size_is_refused(
    served: PageServer, headers: dict[str, str | None], wanted: int
) -> None:
    status, _, text = asked(served, "POST", f"{served.path}/reply", **headers)  # type: ignore[arg-type]
    assert status == wanted
    assert json.loads(text)["error"]


def test_a_reply_or_its_error_is_json(served: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{served.path}/reply"
    assert asked(served, "POST", path, b"12345")[0::2] == (200, '{"reply": "5"}')
    for error, status in ((InputError("a <b>"), 400), (RuntimeError("out of memory"), 500)):
        monkeypatch.setattr(page_server, "reply_to", _raising(error))
        found = asked(served, "POST", path, b"1")
        assert found[0] == status
        assert found[1]["Content-Type"] == "application/json"
        assert str(error) in json.loads(found[2])["error"]


def _raising(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_two_requests_at_once_are_answered_one_after_the_other(
    served: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, begun, let_go = [0], [0], threading.Event(), threading.Event()

    def slow(body: bytes, responder: object) -> str:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        begun.set()
        let_go.wait(10)
        inside[0] -= 1
        return body.decode()

    monkeypatch.setattr(page_server, "reply_to", slow)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(asked(served, "POST", f"{served.path}/reply", n)[2]))
        for n in (b"1", b"2")
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    assert asked(served, "GET", served.path)[0] == 200
    let_go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(found) == ['{"reply": "1"}', '{"reply": "2"}']
    assert most == [1]


def test_it_listens_on_loopback_only_and_a_port_in_use_is_named(served: PageServer) -> None:
    assert served.socket.getsockname()[0] == "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {port}: the port cannot be used.*any free one"):
            PageServer(MODEL, "", port)
