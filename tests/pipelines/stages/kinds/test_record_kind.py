"""The key of a WARC record comes from its record id, and from URL and date only where it has none."""

from dataclasses import replace

from corpusloom.pipelines.stages.kinds.record_kind import record_key
from tests.pipelines.stages.kinds.pages_of_warcs import response


def test_the_record_id_names_a_record_whatever_its_url() -> None:
    page = response(record_id="<urn:uuid:1>")
    assert record_key(page) == record_key(replace(page, url="http://other.example/"))
    assert record_key(page) != record_key(replace(page, record_id="<urn:uuid:2>"))


def test_without_a_record_id_url_and_date_name_it() -> None:
    page = response(record_id="")
    assert record_key(page) == record_key(replace(page, headers=()))
    assert record_key(page) != record_key(replace(page, url="http://other.example/"))
    assert record_key(page) != record_key(replace(page, fetched_at="2021-01-01T00:00:00Z"))
