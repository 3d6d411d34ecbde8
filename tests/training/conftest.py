"""One thread and one seed for whatever runs torch."""

import importlib.util

import pytest

from tests.datasets import tiny_data


@pytest.fixture(autouse=True)
def _repeatable():
    if importlib.util.find_spec("torch"):
        import torch  # noqa: PLC0415 - may be missing

        torch.set_num_threads(1)
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Return the folder of three tiny sets; nobody writes there."""
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def losses():
    """Return what takes steps down a loss and returns the loss before each."""

    def descend(net, loss_of, steps):
        import torch  # noqa: PLC0415 - may be missing

        optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
        seen = []
        for _ in range(steps):
            loss = loss_of(net.train())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(float(loss.detach()))
        return seen

    return descend
