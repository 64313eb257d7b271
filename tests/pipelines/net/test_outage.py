"""The outage detector: many errors in a row over many hosts mean that our own network is down."""

import pytest

from corpusloom.pipelines.net.outage import FEW_HOSTS, OutageDetector
from corpusloom.schemas.errors import InputError


def test_many_errors_over_many_hosts_stop_the_run_with_the_last_error() -> None:
    detector = OutageDetector(50)
    for number in range(49):
        detector.failed(f"host{number}", "dns_failed")
    with pytest.raises(InputError, match="50 fetches in a row ended with connect_failed"):
        detector.failed("host49", "connect_failed")


def test_errors_of_few_hosts_never_stop_the_run() -> None:
    detector = OutageDetector(50)
    for number in range(500):
        detector.failed(f"host{number % (FEW_HOSTS - 1)}", "dns_failed")


def test_a_response_resets_errors_and_hosts() -> None:
    detector = OutageDetector(50)
    for _ in range(5):
        for number in range(49):
            detector.failed(f"host{number}", "dns_failed")
        detector.responded()
    for _ in range(100):
        detector.failed("one host", "dns_failed")
