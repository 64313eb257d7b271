"""From a response to the outcome that is stored: known images survive a 304 and errors."""

from dataclasses import replace

import pytest

from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, image_of, settle
from corpusloom.schemas.records import ImageRecord, Signal
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.net.exchange.responses import DATE, make_response

KEPT = ImageRecord(key="k", url="u", outcome="kept", sha256="s", fetched_at="2025-01-01T00:00:00Z", pack="p.warc")
REJECTED = ImageRecord(key="k", url="u", outcome="rejected", reason="http_404")


def test_a_stored_image_keeps_its_origin_and_validators() -> None:
    signal = Signal(name="robots", value="nofollow", where="header", seen_at=DATE)
    response = make_response("http://a.example/x", 200, ETag='"v1"', Last_Modified="yesterday")
    image = image_of(replace(response, body=b"decoded", wire_body=b"coded", signals=(signal,)))
    assert image == FetchedImage(
        body=b"decoded",
        final_url="http://a.example/x",
        status=200,
        fetched_at=DATE,
        etag='"v1"',
        last_modified="yesterday",
        signals=(signal,),
    )


@pytest.mark.parametrize("known", [None, REJECTED])
def test_without_a_stored_image_the_outcome_is_stored_as_it_is(known: ImageRecord | None) -> None:
    assert isinstance(settle(make_response(status=200), known), FetchedImage)
    assert settle(make_response(status=304), known) == Dead("http_304")  # it has no body
    for outcome in (Dead("dns_failed"), Rejected("http_404")):
        assert settle(outcome, known) == outcome


@pytest.mark.parametrize(
    ("outcome", "fetched_at"), [(make_response(status=304), DATE), (Dead("dns_failed"), KEPT.fetched_at)]
)
def test_a_stored_image_survives_a_304_with_a_new_date_and_an_error_with_the_old_one(
    outcome: ImageOutcome, fetched_at: str
) -> None:
    settled = settle(outcome, KEPT)
    assert isinstance(settled, ImageRecord)
    assert (settled.sha256, settled.pack, settled.fetched_at) == ("s", "p.warc", fetched_at)


def test_a_new_image_or_a_refusal_replaces_a_stored_one() -> None:
    assert isinstance(settle(make_response(status=200), KEPT), FetchedImage)
    assert settle(Rejected("opt_out_noai"), KEPT) == Rejected("opt_out_noai")
