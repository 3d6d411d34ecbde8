from __future__ import annotations

import pytest
from flask import Flask

from emojifier_bot.web.install_pages import (
    REFUSALS,
    RenderedInstallPages,
    went_wrong,
)


@pytest.fixture(autouse=True)
def _application():
    with Flask("emojifier_bot.web.app").test_request_context():
        yield


def test_a_page_for_every_reason():
    pages = RenderedInstallPages()
    made = {pages.refused(reason) for reason in [*REFUSALS, "something_else"]}

    assert len(made) == len(REFUSALS) + 1
    for page in made:
        assert 'href="/slack/install"' in page
        assert '<html lang="en">' in page


@pytest.mark.parametrize("odd", ["<script>", "", "../../etc", "ü" * 5000])
def test_what_anybody_sends_is_not_shown(odd):
    pages = RenderedInstallPages()

    assert pages.refused(odd) == pages.refused("something_else")


def test_names_are_no_markup():
    page = RenderedInstallPages().installed("<b>Acme</b>", 'https://x/"onclick="')

    assert "&lt;b&gt;Acme" in page
    assert 'https://x/"' not in page


def test_a_workspace_without_a_name():
    assert "your workspace" in RenderedInstallPages().installed("", "https://x")


def test_a_failure_of_ours():
    assert "<h1>Something went wrong</h1>" in went_wrong()
