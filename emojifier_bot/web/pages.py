"""The pages that people read: landing, privacy, support, and what went wrong.

Their words are templates: HTML, and Markdown for the pages that are mostly text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, current_app, render_template, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from emojifier_bot.db.installations import VALID_FOR
from emojifier_bot.domain import RETENTION
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.metrics import installed_version
from emojifier_bot.slack.manifest import COMMAND, EVENTS_PATH, SCOPES
from emojifier_bot.vision.formats import readable_titles

STATIC_DIR = Path(__file__).parent / "static"
TEMPLATES_DIR = Path(__file__).parent / "templates"
#: The face back end that runs on the bot's own machine.
LOCAL_BACKEND = "local"
#: Where the application keeps the facts that every page shows.
SITE = "emojifier_site"
#: Enough of a SHA-256 to distinguish two versions of a file.
DIGEST_CHARACTERS = 10
#: The name of a file changes with its content, so a browser may keep it: a year.
STATIC_SECONDS = 31_536_000
SERVER_ERROR = 500
_MAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+\.[^@\s<>\"]+")
#: A section of a Markdown template: heading, its name in addresses, text.
_SECTION = re.compile(
    r"^## ([^\n]+) \(#([a-z-]+)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
#: Nothing is escaped here: Markdown's renderer does it.
_TEXTS = Environment(
    loader=FileSystemLoader(TEMPLATES_DIR),
    autoescape=False,  # noqa: S701 - see above
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class SiteFacts:
    """The facts of one installation, and what follows from them for every page."""

    #: Where the world reaches the bot; empty where nobody set it.
    public_url: str = ""
    #: Whether people can add the bot to their Slack here.
    install_available: bool = False
    #: An e-mail address, an address on the web, or words; empty for none.
    support_contact: str = ""
    #: What reads the faces: `LOCAL_BACKEND`, or the name of a service.
    face_backend: str = LOCAL_BACKEND
    #: The most that is read of a face.
    reading: ReadingMode = ReadingMode.EXPRESSIONS
    #: How long posts, and jobs that ended, are remembered.
    retention_days: int = RETENTION.days
    #: How long an installation may take; a state and a cookie live that long.
    state_minutes: int = VALID_FOR // timedelta(minutes=1)
    command: str = COMMAND
    version: str = field(default_factory=installed_version)

    @property
    def reads_faces_here(self) -> bool:
        """Return whether no picture goes to a service that reads faces."""
        return self.face_backend == LOCAL_BACKEND

    @property
    def contact_link(self) -> str:
        """Return where the contact leads; empty for mere words."""
        contact = self.support_contact.strip()
        if contact.startswith(("https://", "http://")):
            return contact
        return f"mailto:{contact}" if _MAIL.fullmatch(contact) else ""

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Return a short digest of each static file."""
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:DIGEST_CHARACTERS]
            for file in STATIC_DIR.iterdir()
        }

    def page(self, path: str) -> str:
        """Return a link to one of our pages, whose root PUBLIC_URL may name."""
        return urlsplit(self.public_url).path.rstrip("/") + path

    def asset(self, name: str) -> str:
        """Return a link to a static file."""
        return self.page(f"/static/{name}?v={self.digests[name]}")

    def absolute(self, link: str) -> str:
        """Return one of our links as other sites have to write it."""
        base = urlsplit(self.public_url)
        return f"{base.scheme}://{base.netloc}{link}"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page of text; `anchor` is its name in addresses."""

    anchor: str
    title: str
    html: str = ""


def pages_blueprint(facts: SiteFacts) -> Blueprint:
    """Build the pages; to be registered with the application."""
    pages = Blueprint("pages", __name__, template_folder="templates")
    support = sections_of(render_text("support.md", facts))
    privacy = sections_of(render_text("privacy.md", facts))
    privacy.append(Section("contact", "Questions"))

    @pages.record_once
    def keep_site(state: BlueprintSetupState) -> None:
        app = state.app
        app.extensions[SITE] = facts
        app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @pages.get("/")
    def landing_page() -> str:
        return render_page("landing.html")

    @pages.get("/privacy")
    def privacy_page() -> str:
        return render_page("text.html", page="/privacy", sections=privacy)

    @pages.get("/support")
    def support_page() -> str:
        return render_page("text.html", page="/support", sections=support)

    pages.app_errorhandler(HTTPException)(_failed)
    return pages


def installed_page(name: str, open_url: str) -> str:
    """Render the page after an installation in the workspace of that name."""
    return render_page("installed.html", name=name, open_url=open_url)


def refused_page(reason: str) -> str:
    """Render the page that says why it is not installed, and what to do."""
    return render_page("install_failed.html", reason=reason)


def render_page(template: str, **context: object) -> str:
    """Render a template with what every page shows."""
    facts = current_app.extensions.get(SITE) or SiteFacts()
    return render_template(template, facts=facts, **context)


def render_failure(code: int) -> str:
    """Render the page for a status."""
    return render_page("error.html", code=code)


def render_text(template: str, facts: SiteFacts) -> str:
    """Render a template of Markdown; its headings end with names, ``(#name)``."""
    page = _TEXTS.get_template(template)
    return page.render(facts=facts, scopes=SCOPES, formats=readable_titles("and"))


def privacy_markdown(facts: SiteFacts) -> str:
    """Return the text of the page ``/privacy`` as Markdown, for the docs."""
    return _SECTION.sub(r"## \1\n\3", render_text("privacy.md", facts))


def sections_of(markdown: str) -> list[Section]:
    """Return the sections of a rendered text."""
    return [
        Section(anchor, title, _html(text, anchor))
        for title, anchor, text in _SECTION.findall(markdown)
    ]


def _html(text: str, table_label: str) -> Markup:
    """Return Markdown as HTML.

    Tables name their roles: shown as blocks on a phone, they would lose them.
    """
    tokens = _MARKDOWN.parse(text)
    columns: list[str] = []
    column = 0
    for token, following in pairwise(tokens):
        match token.type:
            case "table_open":
                token.attrs = {"role": "table", "aria-labelledby": table_label}
                columns = []
            case "thead_open" | "tbody_open":
                token.attrs = {"role": "rowgroup"}
            case "tr_open":
                token.attrs = {"role": "row"}
                column = 0
            case "th_open":
                token.attrs = {"role": "columnheader", "scope": "col"}
                columns.append(following.content)
            case "td_open" if column == 0:
                token.tag = "th"
                token.attrs = {"role": "rowheader", "scope": "row"}
            case "td_open":
                token.attrs = {"role": "cell", "data-column": columns[column]}
            case "td_close":
                token.tag = "td" if column else "th"
                column += 1
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 - escaped


def _failed(error: HTTPException) -> ResponseReturnValue:
    code = error.code or SERVER_ERROR
    page = "" if request.path == EVENTS_PATH else render_failure(code)
    # The error's own headers, as ``Allow`` and ``Retry-After``.
    headers = [pair for pair in error.get_headers() if pair[0] != "Content-Type"]
    return page, code, headers
