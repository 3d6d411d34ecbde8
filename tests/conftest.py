"""What every test stands on: no settings from outside, no network but localhost."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from emojifier_bot.config import settings_table

#: Fixtures that hand out databases, and who looks for tokens in all that is told.
pytest_plugins = ["tests.postgres", "tests.token_leaks"]

TESTS = Path(__file__).parent
ROOT = TESTS.parent
#: Whole processes, servers, browsers and trainings: for `make test-all`.
SLOW_FOLDERS = frozenset({"e2e", "integration", "training"})
LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

# How fast a machine is is no property of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write the golden pictures anew; look at each before you commit it",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="needs torch: `make train-env` installs it")
    has_torch = importlib.util.find_spec("torch") is not None
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)
        if not has_torch and item.get_closest_marker("requires_torch"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {row.variable for row in settings_table()}
    for name in os.environ:
        if name.upper().startswith("EMOJIFIER_") or name.upper() in known:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _restored_logger() -> Iterator[None]:
    """Undo what a command does to our logger when it runs in a test's process."""
    ours = logging.getLogger("emojifier_bot")
    handlers, level = ours.handlers, ours.level
    yield
    ours.handlers = handlers
    ours.setLevel(level)


@pytest.fixture(autouse=True)
def _localhost_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(name))


def _guarded(name: str):
    allowed = getattr(socket.socket, name)

    def connect(self: socket.socket, address):
        if self.family != socket.AF_UNIX and address[0] not in LOCAL_HOSTS:
            pytest.fail(f"a test tried to reach {address[0]}: only localhost is open")
        return allowed(self, address)

    return connect


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Tell whether the golden pictures are to be written anew."""
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of large data beside the checkout, or skip the test."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` beside the checkout: large data")
    return folder
