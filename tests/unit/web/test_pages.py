from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from flask import Flask

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.slack.manifest import SCOPES
from emojifier_bot.vision.analyzers.hosted import CACHED_SECONDS, SENT_PX
from emojifier_bot.vision.formats import FORMATS
from emojifier_bot.web import slack_requests
from emojifier_bot.web.pages import (
    STATIC_DIR,
    SiteFacts,
    installed_page,
    refused_page,
)
from tests.web_pages import FACTS, LED_TO, PUBLIC, pages_app

#: A page with everything that it loads, bytes.
MAX_PAGE_BYTES = 150_000
LABEL = "aria-labelledby"
VOID = {"br", "col", "hr", "img", "input", "link", "meta"}
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
STRANGE = "<script>alert('x')</script> & \"quotes\""

#: Statuses with words of their own, and one without.
FAILURES = {
    404: "There is no such page",
    405: "This cannot be done here",
    413: "The request is too large",
    418: "That did not work",
    429: "One moment, please",
    500: "Something went wrong",
}
#: Why an installation failed, and a reason that nobody foresaw.
REASONS = (
    "access_denied",
    "invalid_browser",
    "invalid_state",
    "slack_unreachable",
    "database_away",
    "storage_error",
    "something_else",
)
ELSEWHERE = replace(FACTS, face_backend="Amazon Rekognition")

each_page = pytest.mark.parametrize("path", [*PUBLIC, *LED_TO])


class Page(HTMLParser):
    """Reads a page; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.headings: list[int] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in HEADINGS:
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> ends nothing"
        assert self._open.pop() == tag, f"</{tag}> ends another one"

    def all(self, *names: str) -> list[dict[str, str]]:
        return [values for tag, values in self.tags if tag in names]

    @property
    def ids(self) -> list[str]:
        return [values["id"] for _, values in self.tags if "id" in values]

    @property
    def loads(self) -> set[str]:
        links = [one for one in self.all("link") if one["rel"] != "canonical"]
        return {one["href"] for one in links} | {one["src"] for one in self.all("img")}


def get(path: str, facts: SiteFacts = FACTS):
    return pages_app(facts).test_client().get(path)


def read(path: str, facts: SiteFacts = FACTS) -> Page:
    return Page(get(path, facts).text)


@each_page
def test_the_shape_of_a_page(path):
    text = get(path).text
    page = Page(text)

    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert [name for name, often in Counter(page.ids).items() if often > 1] == []
    for landmark in ("header", "main", "footer", "title"):
        assert len(page.all(landmark)) == 1, landmark
    assert [nav["aria-label"] for nav in page.all("nav")] == ["Pages"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in (
        page.all("meta")
    )
    labels = [more["aria-labelledby"] for _, more in page.tags if LABEL in more]
    assert set(labels) <= set(page.ids)
    for image in page.all("img"):
        assert {"alt", "width", "height"} <= set(image)
    # Headings skip no level.
    levels = page.headings
    assert levels[0] == levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    # Nothing is inline, nothing from elsewhere.
    assert page.all("script", "style", "iframe", "form", "base") == []
    attributes = {name for _, more in page.tags for name in more}
    assert not [one for one in attributes if one == "style" or one.startswith("on")]
    assert {urlsplit(one).netloc for one in page.loads} == {""}


def test_the_pictures_that_say_something_say_it_in_words():
    told = [image["alt"] for image in read("/").all("img") if image["alt"]]

    assert len(told) == 2
    assert all(len(words) > 20 for words in told)


@each_page
def test_every_link_leads_somewhere(path):
    client = pages_app().test_client()
    page = Page(client.get(path).text)

    for target in {link["href"] for link in page.all("a")} | page.loads:
        to = urlsplit(target)
        if to.scheme or to.netloc:
            assert to.scheme in ("https", "mailto", "slack"), target
            continue
        answer = client.get(to.path or path, buffered=True)
        assert to.path == "" or answer.status_code == 200, target
        assert not to.fragment or to.fragment in Page(answer.text).ids, target


@each_page
def test_a_page_is_small(path):
    client = pages_app().test_client()
    answer = client.get(path)
    parts = [client.get(link, buffered=True).data for link in Page(answer.text).loads]

    assert len(answer.data) + sum(map(len, parts)) < MAX_PAGE_BYTES


def test_titles_differ():
    texts = [get(path).text for path in [*PUBLIC, *LED_TO]]
    titles = [re.findall("<title>(.*)</title>", text) for text in texts]

    assert len({title for (title,) in titles}) == len(texts)


def test_what_a_page_is_made_of_may_be_kept_and_changes_its_name():
    client = pages_app().test_client()

    for link in read("/").loads:
        answer = client.get(link, buffered=True)
        assert answer.cache_control.max_age == 31_536_000
        assert re.search(r"\?v=[0-9a-f]{10}$", link)


def test_no_file_is_left_over():
    app = pages_app()
    client = app.test_client()
    codes = [f"/test/{code}" for code in FAILURES]
    used = {
        urlsplit(link).path
        for path in [*PUBLIC, *LED_TO, *codes]
        for link in Page(client.get(path).text).loads
    }

    assert {f"/static/{file.name}" for file in STATIC_DIR.iterdir()} == (
        used | {"/static/card.jpg"}
    )


def test_the_button_leads_to_slack():
    links = read("/").all("a")

    assert links[0] == {"class": "skip", "href": "#main"}
    assert links[1] == {"class": "button", "href": "/slack/install"}


def test_where_nobody_can_install_there_is_no_such_button():
    text = get("/", replace(FACTS, install_available=False)).text

    assert "/slack/install" not in text
    assert "<code>/emojify</code>" in text


def test_support_lists_every_format():
    text = words("/support")

    assert all(one.title in text for one in FORMATS if one.magic or one.brands)


def test_what_other_sites_show_beside_a_link():
    metas = {one.get("property"): one.get("content") for one in read("/").all("meta")}

    assert metas["og:url"] == "https://bot.example.com/"
    assert metas["og:image"].startswith("https://bot.example.com/static/card.jpg?v=")


def test_without_a_public_address_nothing_names_one():
    text = get("/", SiteFacts()).text

    assert "canonical" not in text
    assert "og:" not in text


def test_a_public_address_with_a_path():
    facts = replace(FACTS, public_url="https://example.com/bots/emoji/")
    page = read("/support", facts)

    for target in {link["href"] for link in page.all("a")} | page.loads:
        assert target.startswith(("/bots/emoji/", "#", "mailto:")), target
    assert 'content="https://example.com/bots/emoji/"' in get("/", facts).text


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("", "Ask the admin who added the bot"),
        ("help@example.com", '<a href="mailto:help@example.com">help@example.com</a>'),
        ("https://example.com/?a=1&b=2", '<a href="https://example.com/?a=1&amp;b=2">'),
        ("Ana, room 5", "Ask who runs this server: Ana, room 5."),
        ("javascript:alert(1)", "Ask who runs this server: javascript:alert(1)."),
        ("javascript:a@b.c", '<a href="mailto:javascript:a@b.c">'),
    ],
)
@pytest.mark.parametrize("path", ["/privacy", "/support"])
def test_whom_to_ask(contact, shown, path):
    assert shown in get(path, replace(FACTS, support_contact=contact)).text


@each_page
def test_facts_are_no_markup(path):
    strange = SiteFacts(
        public_url='https://x.example/"><script>',
        install_available=True,
        support_contact=STRANGE,
        face_backend=STRANGE,
        command=STRANGE,
        version=STRANGE,
    )
    text = get(path, strange).text

    assert "<script" not in text
    Page(text)


def words(path: str, facts: SiteFacts = FACTS) -> str:
    return " ".join(get(path, facts).text.split())


def test_where_faces_are_read_here_it_says_so():
    text = words("/privacy") + words("/")

    assert "Faces are found and read on this server, by models" in text
    assert "No picture and nothing about a face goes to anybody else" in text
    assert "Amazon" not in text
    assert "face service" not in text
    assert "after a crash" not in text


def test_a_service_and_what_it_gets_are_named():
    text = words("/privacy", ELSEWHERE)

    assert text.count("“Amazon Rekognition”") == 2
    assert "“Amazon Rekognition”" in words("/", ELSEWHERE)
    assert "Nobody else" not in text
    assert "on this server, by models" not in text + words("/", ELSEWHERE)
    assert "A copy of each picture goes to “Amazon Rekognition”." in text
    assert "without metadata such as the place and time" in text
    assert "after a crash a picture may be sent again" in text
    assert f"at most {SENT_PX:,} pixels long" in text
    assert CACHED_SECONDS == 10 * 60
    assert "uses them again for at most ten minutes" in text


def test_what_the_web_process_remembers_is_said():
    text = words("/privacy")

    assert slack_requests.REMEMBERED_SECONDS == 10 * 60
    assert re.search(r">Answers to Slack</th> <td [^>]*>Ten minutes", text)
    assert re.search(r">Network addresses [^<]*</th> <td [^>]*>About two minutes", text)


def test_how_long_things_are_kept_is_told():
    facts = replace(FACTS, retention_days=7, state_minutes=11)
    text = get("/privacy", facts).text

    assert "7 days" in text
    assert "7 days after the end" in text
    assert "11 minutes" in text
    assert "30 days" not in text
    assert "For 7 days" in get("/", facts).text


def test_who_is_responsible_and_where_is_told():
    named = words("/privacy", replace(FACTS, support_contact="bot@example.com"))
    assert "They can be reached at bot@example.com." in named
    assert f"in force for the bot at {FACTS.public_url}" in named
    assert "controller" in named

    nobody = words("/privacy", replace(FACTS, support_contact=""))
    assert "the admins of your workspace know who added the bot" in nobody


@pytest.mark.parametrize(
    "part", ["Biometric data.", "AI Act", "Article 5(1)(f)", "observe or to assess"]
)
def test_the_law_on_faces_and_emotions_is_told(part):
    assert part in words("/privacy")


def test_every_permission_is_told():
    text = get("/privacy").text

    for scope in SCOPES:
        assert f"<code>{scope.name}</code>" in text


@pytest.mark.parametrize(("code", "title"), FAILURES.items())
def test_a_page_for_each_failure(code, title):
    answer = get(f"/test/{code}")

    assert answer.status_code == code
    assert answer.content_type == "text/html; charset=utf-8"
    assert f"<h1>{title}</h1>" in answer.text
    assert f"Status {code}" in answer.text


def test_a_refused_method_says_which_are_taken():
    answer = pages_app().test_client().post("/privacy")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.content_type == "text/html; charset=utf-8"


def test_slack_gets_no_page():
    answer = pages_app().test_client().delete("/slack/events")

    assert (answer.status_code, answer.data) == (405, b"")


@pytest.fixture
def without_blueprint():
    with Flask("emojifier_bot.web.app").test_request_context():
        yield


@pytest.mark.usefixtures("without_blueprint")
def test_a_page_for_every_reason():
    pages = {refused_page(reason) for reason in REASONS}

    assert len(pages) == len(REASONS)
    assert all('href="/slack/install"' in page for page in pages)


@pytest.mark.usefixtures("without_blueprint")
@pytest.mark.parametrize("odd", ["<script>", "", "../../etc", "ü" * 5000])
def test_a_reason_that_anybody_sends_is_not_shown(odd):
    assert refused_page(odd) == refused_page("something_else")


@pytest.mark.usefixtures("without_blueprint")
def test_a_workspaces_name_is_no_markup():
    page = installed_page("<b>Acme</b>", 'https://x/"onclick="')

    assert "&lt;b&gt;Acme" in page
    assert 'https://x/"' not in page


@pytest.mark.usefixtures("without_blueprint")
def test_a_workspace_without_a_name():
    page = installed_page("", "https://x")

    assert "your workspace" in page
    assert Page(page).headings == [1]


@pytest.mark.parametrize("mode", ReadingMode)
def test_the_reading_mode_that_is_on_is_told_and_what_each_means(mode):
    text = words("/privacy", replace(FACTS, reading=mode))

    assert f"runs in the mode <strong>{mode}</strong>." in text
    for one in ReadingMode:
        assert f"<code>{one}</code>" in text
    assert "In no mode is an expression stored in the clear beside a person" in text


@pytest.mark.parametrize(
    "part",
    [
        "Regulation (EU) 2024/1689, Article 5(1)(f)",
        "prohibited systems that infer the emotions of people at work or in education",
        "The only exceptions are medical and safety reasons",
        "We recommend <code>shapes</code> or <code>off</code>",
    ],
)
def test_what_the_ai_act_says_is_told_with_a_recommendation(part):
    assert part in words("/privacy")


def test_with_reading_off_no_service_reads_expressions():
    off = words("/privacy", replace(ELSEWHERE, reading=ReadingMode.OFF))

    assert "The service finds the faces, under its own terms" in off
    assert "reads their expressions" in words("/privacy", ELSEWHERE)
