"""One torch thread in every test: several processes share the machine, and last bits depend on the number."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
