"""The pages that people read: landing, privacy, support, and what went wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, current_app, render_template, request
from flask.blueprints import BlueprintSetupState
from flask.sansio.app import App
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from emojifier_bot.slack.manifest import EVENTS_PATH, SCOPES
from emojifier_bot.web.facts import SiteFacts
from emojifier_bot.web.privacy import privacy_sections
from emojifier_bot.web.support import OPTIONS, PROBLEMS, WAYS

__all__ = ["SiteFacts", "pages_blueprint", "render_failure", "render_page"]

STATIC_DIR = Path(__file__).parent / "static"
#: Where the application keeps what every page shows.
SITE = "emojifier_site"
#: Enough of a SHA-256 to tell two versions of a file apart.
DIGEST_CHARACTERS = 10
#: The name of a file changes with its content, so a browser may keep it: a year.
STATIC_SECONDS = 31_536_000
NOT_FOUND, SERVER_ERROR = 404, 500
_MAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+\.[^@\s<>\"]+")
_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*([^*]+)\*")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a page says of a request that cannot be answered."""

    #: An emoji of `scripts/render_site.py`.
    mood: str
    title: str
    happened: str
    to_do: str


FAILURES: Mapping[int, Failure] = {
    NOT_FOUND: Failure(
        "thinking_face",
        "There is no such page",
        "We looked everywhere, and even under the rug.",
        "Check the address for a typing mistake, or start from the first page.",
    ),
    405: Failure(
        "face_with_raised_eyebrow",
        "Not like this",
        "This address is there, but it does not take that kind of request.",
        "Start from the first page, and follow the links.",
    ),
    413: Failure(
        "astonished",
        "That is too much",
        "What was sent to this address is larger than it takes.",
        "Pictures go to the bot in Slack, not here.",
    ),
    429: Failure(
        "cold_sweat",
        "One moment, please",
        "Too many requests came at the same time.",
        "Wait a minute, then load this page again.",
    ),
    SERVER_ERROR: Failure(
        "weary",
        "Something went wrong",
        "This server failed. It is not your fault, and it was noted.",
        "Please try again in a minute.",
    ),
}
OTHER_FAILURE = Failure(
    "face_with_raised_eyebrow",
    "That did not work",
    "This server cannot answer that request.",
    "Start from the first page, and follow the links.",
)


@dataclass(frozen=True)
class Site:
    """The facts, and what follows from them for every page."""

    facts: SiteFacts = field(default_factory=SiteFacts)

    @cached_property
    def root(self) -> str:
        """Return what stands before every path; empty unless PUBLIC_URL has a path."""
        return urlsplit(self.facts.public_url).path.rstrip("/")

    @cached_property
    def contact_link(self) -> str:
        """Return where the contact leads; empty for mere words."""
        contact = self.facts.support_contact.strip()
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
        """Return a link to one of our pages."""
        return f"{self.root}{path}"

    def asset(self, name: str) -> str:
        """Return a link to a static file."""
        return f"{self.root}/static/{name}?v={self.digests[name]}"

    def absolute(self, link: str) -> str:
        """Return one of our links as other sites have to write it."""
        base = urlsplit(self.facts.public_url)
        return f"{base.scheme}://{base.netloc}{link}"


def pages_blueprint(facts: SiteFacts) -> Blueprint:
    """Build the pages; to be registered with the application."""
    pages = Blueprint("pages", __name__, template_folder="templates")
    site = Site(facts)

    @pages.record_once
    def keep_site(state: BlueprintSetupState) -> None:
        _keep(site, state.app)

    views: Mapping[str, Callable[[], str]] = {
        "/": lambda: render_page("landing.html"),
        "/privacy": lambda: render_page(
            "privacy.html", sections=privacy_sections(facts, SCOPES)
        ),
        "/support": lambda: render_page(
            "support.html", ways=WAYS, options=OPTIONS, problems=PROBLEMS
        ),
    }
    for path, view in views.items():
        pages.add_url_rule(path, path.strip("/") or "landing", view)
    pages.app_errorhandler(HTTPException)(_failed)
    return pages


def _keep(site: Site, app: App) -> None:
    app.extensions[SITE] = site
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def render_page(template: str, **context: object) -> str:
    """Render a template with what every page shows."""
    site = current_app.extensions.get(SITE) or Site()
    return render_template(
        template, site=site, facts=site.facts, marked=marked, **context
    )


def render_failure(code: int) -> str:
    """Render the page for a status."""
    failure = FAILURES.get(code, OTHER_FAILURE)
    return render_page("error.html", failure=failure, code=code)


def _failed(error: HTTPException) -> ResponseReturnValue:
    code = error.code or SERVER_ERROR
    page = "" if request.path == EVENTS_PATH else render_failure(code)
    return page, code, _kept_headers(error)


def _kept_headers(error: HTTPException) -> list[tuple[str, str]]:
    """Return an error's own headers, as ``Allow`` and ``Retry-After``."""
    return [pair for pair in error.get_headers() if pair[0] != "Content-Type"]


def marked(text: str) -> Markup:
    """Return a sentence as HTML: `code` and *strong*, and no other mark-up."""
    coded = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", coded))  # noqa: S704 - escaped
