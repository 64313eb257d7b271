"""A build over two network namespaces gives the bytes of a build on one host."""

import subprocess
import sys

import pytest

from tests.two_hosts import missing


@pytest.mark.timeout(600)
def test_two_hosts_give_the_same_digests() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(f"two hosts: {reason}")
    ran = subprocess.run([sys.executable, "-m", "tests.two_hosts"], capture_output=True, text=True, timeout=550)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
