"""Limits torch to one thread per test: tests share the machine, and the last bits of results depend on the number."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
