"""The running bot with a hosted back end: `serve` and its worker as processes."""

from __future__ import annotations

import io

import pytest
import requests

from tests.face_apis import VENDORS
from tests.fakes.face_api import serving
from tests.fakes.faces import picture_with_faces
from tests.running_bot import served

NAME = "google"


def picture(left: int) -> bytes:
    """Return one that nobody asked about before: answers are remembered."""
    written = io.BytesIO()
    picture_with_faces((320, 240), [(left, 60, left + 100, 190)]).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="module")
def service():
    with serving(VENDORS[NAME].fake()) as fake:
        yield fake


@pytest.fixture(scope="module")
def bot(service, tmp_path_factory):
    settings = {
        "FACE_BACKEND": NAME,
        "FACE_API_URL": service.url,
        "FACE_TRIES": "1",
        **VENDORS[NAME].keys,
    }
    with served(tmp_path_factory.mktemp("hosted"), **settings) as bot:
        yield bot


def test_the_service_reads_the_picture_and_the_result_is_posted(bot, service):
    channel = bot.channel()

    bot.ada.command(channel, bot.address("/one.png", picture(120)))

    assert bot.result(channel)
    assert len(service.seen_wh) == 1


def test_while_it_is_down_the_local_models_read(bot, service):
    channel, before = bot.channel(), len(service.requests)
    service.failures.append(VENDORS[NAME].down[0])

    # Nobody is in it for the local models, who answer in the service's place.
    bot.ada.command(channel, bot.address("/astronaut.png"))

    assert bot.result(channel)
    assert len(service.requests) == before + 1


def test_a_refused_key_is_told_and_no_other_models_step_in(bot, service):
    channel = bot.channel()
    service.failures.append(VENDORS[NAME].credentials[0])

    bot.ada.command(channel, bot.address("/two.png", picture(90)))

    bot.told(bot.ada, "does not accept my credentials")
    assert bot.slack.results(channel) == []


def test_the_pages_say_who_gets_the_pictures(bot):
    for path in ("/", "/privacy"):
        page = requests.get(bot.url + path, timeout=60)

        assert "Google Cloud Vision" in page.text
