"""What strangers write is read in time that grows with its length, not faster.

Each reader gets texts that made, or would make, a careless pattern begin anew at every
character. Twice the text may take twice the time; a quadratic reader needs four times.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from requests import Response

from emojifier_bot.errors import EmojifierError
from emojifier_bot.http.addresses import check_address, read
from emojifier_bot.http.fetch import (
    clean_name,
    file_name,
    picture_of_page,
    redirect_of,
    retry_after_seconds,
)
from emojifier_bot.jobs.steps import _stem
from emojifier_bot.logs import _redact
from emojifier_bot.slack.commands import (
    MAX_CHARACTERS,
    parse_command,
    parse_mention,
    quoted,
)
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    is_address,
    no_picture_kind,
    parse_slack_link,
    pictures_of,
)
from emojifier_bot.vision.formats import is_web_page
from emojifier_bot.web.slack_requests import is_ssl_check

#: Characters of the shorter texts: one that is read whole, even twice as long, and
#: one that is cut. Slack's longest message has 40,000.
LENGTHS = (MAX_CHARACTERS // 2, 20_000)
#: Twice the text in less than this many times the time: halfway between twice, linear,
#: and four times, quadratic. A busy machine is forgiven by the quickest of some runs
#: and by so many seconds.
MOST_TIMES, FORGIVEN_SECONDS, RUNS = 3.0, 0.003, 3

#: What is repeated to make a text.
PIECES = (
    "a",
    " ",
    "a ",
    "-",
    ".",
    "a.",
    "<",
    "<https://a",
    "<https://a|",
    "<https://a|b> ",
    "<@",
    "<@U1> ",
    "&amp;",
    "https://a ",
    "/F0123ABCD",
    "-F0123ABCD-",
    "U0123ABCD-",
    "%25",
    "\u200b",
    "opt ",
    "opt me ",
    "a='",
    'a="',
    "<meta ",
    "<meta a=",
    "<meta property=og:image content=x>",
    "\\",
    ".jpg",
    "xoxb-",
    "Bearer ",
    "://a:",
    "://a:b@",
    "&ssl_check=",
    "filename*=UTF-8''",
    "; filename=",
    "1,",
    "=?",
    "(",
    "@",
    ":",
    "[",
)


def headers(name: str) -> Callable[[str], Response]:
    def make(text: str) -> Response:
        response = Response()
        response.status_code = 302
        response.headers[name] = text
        return response

    return make


def nested(text: str) -> dict[str, object]:
    """Return a message with a part for each hundred characters."""
    part = {"files": [{"id": text[:9], "name": text[:20]}], "image_url": text[:30]}
    parts = [part] * (len(text) // 100)
    return {"attachments": parts, "blocks": [{"type": "context", "elements": parts}]}


redirected, delayed = headers("location"), headers("retry-after")
READERS: dict[str, Callable[[str], object]] = {
    "command": lambda text: parse_command(text, ("classic", "party")),
    "mention": lambda text: parse_mention(text, ("classic", "party")),
    "quoted": quoted,
    "unknown code": render_message,
    "address": is_address,
    "Slack's address": lambda text: parse_slack_link(text, ()),
    "path in Slack": lambda text: parse_slack_link(f"https://a.slack.com/{text}", ()),
    "query in Slack": lambda text: parse_slack_link(f"https://a.slack.com/?{text}", ()),
    "web address": read,
    "checked address": check_address,
    "host": lambda text: read(f"https://{text}/"),
    "redirect": lambda text: redirect_of(redirected(text), "https://a.example/"),
    "wait": lambda text: retry_after_seconds(delayed(text)),
    "name": clean_name,
    "header's name": lambda text: file_name({"content-disposition": text}, TARGET),
    "result's name": _stem,
    "page": lambda text: picture_of_page(text.encode(), "https://a.example/"),
    "page or picture": lambda text: is_web_page(text.encode()),
    "message": lambda text: pictures_of(nested(text)),
    "message without": lambda text: no_picture_kind(nested(text)),
    "certificate check": lambda text: is_ssl_check(FORM, text.encode()),
    "log": lambda text: _redact(None, "", text),
}
TARGET = read("https://a.example/a.png")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def seconds(reader: Callable[[str], object], text: str) -> float:
    """Return the processor time of the quickest of some runs."""
    times = []
    for _ in range(RUNS):
        began = time.thread_time()
        with suppress(EmojifierError):  # a refusal must not take long either
            reader(text)
        times.append(time.thread_time() - began)
    return min(times)


@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_takes_twice_the_time(name):
    reader, slow = READERS[name], []
    for piece, length in itertools.product(PIECES, LENGTHS):
        text = piece * (length // len(piece))
        once, twice = seconds(reader, text), seconds(reader, text * 2)
        if twice > MOST_TIMES * once + FORGIVEN_SECONDS:
            slow.append((piece, length, once, twice))

    assert slow == []
