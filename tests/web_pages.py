"""The public pages as they are served, with an application of their own."""

from __future__ import annotations

from flask import Flask, abort

from emojifier_bot.web.app import WebDependencies, create_app
from emojifier_bot.web.pages import (
    SiteFacts,
    installed_page,
    pages_blueprint,
    refused_page,
)
from tests.fakes.clock import ManualClock

#: Pages that people find by themselves.
PUBLIC = ("/", "/privacy", "/support")
#: Pages that only something else leads to: here they have addresses.
LED_TO = ("/test/installed", "/test/refused", "/test/404", "/test/413", "/test/500")
FACTS = SiteFacts(
    public_url="https://bot.example.com",
    install_available=True,
    support_contact="help@example.com",
)


def pages_app(facts: SiteFacts = FACTS) -> Flask:
    """Return the application with the public pages; nothing behind it is real."""
    app = create_app(
        WebDependencies(
            slack=lambda _request: ("at Slack's", 200),
            signing_secret="any",
            clock=ManualClock(),
            installs=facts.install_available,
            https=False,
            pages=pages_blueprint(facts),
        )
    )

    @app.get("/test/installed")
    def installed():
        return installed_page("Acme", "https://slack.com/app_redirect?app=A&team=T")

    @app.get("/test/refused")
    def refused():
        return refused_page("invalid_state")

    @app.get("/test/<int:code>")
    def failed(code):
        abort(code)

    return app
