"""What a browser shows at the end of an installation, good or bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emojifier_bot.web.pages import SERVER_ERROR, render_failure, render_page


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a page says of an installation that did not come about."""

    title: str
    happened: str
    to_do: str


#: By a reason of Bolt's, Slack's or ours.
REFUSALS: Mapping[str, Refusal] = {
    "access_denied": Refusal(
        "Not added",
        "The installation was cancelled in Slack.",
        "Nothing was changed. You can begin again at any time.",
    ),
    "invalid_browser": Refusal(
        "Please begin again",
        "This installation began in another browser, or its cookie was not kept.",
        "Begin again here, in one window, with cookies allowed.",
    ),
    "invalid_state": Refusal(
        "Please begin again",
        "This link was used before, or it is older than ten minutes.",
        "If the bot is in your workspace already, all is well. If not, begin again.",
    ),
    "slack_unreachable": Refusal(
        "Slack did not answer",
        "The last step, between this server and Slack, did not work.",
        "Nothing was changed. Please try again in a minute.",
    ),
    "database_away": Refusal(
        "One moment, please",
        "The database of this server does not answer just now.",
        "Nothing was changed. Wait a minute, then load this page again.",
    ),
    "storage_error": Refusal(
        "Please begin again",
        "Slack agreed, but the database of this server did not keep it.",
        "Begin again in a minute; there is nothing to undo in Slack.",
    ),
}
OTHER_REFUSAL = Refusal(
    "Not added",
    "Slack did not complete the installation.",
    "Please begin again. If it happens twice, tell us on the support page.",
)


class RenderedInstallPages:
    """The `InstallPages` of the web server."""

    def installed(self, name: str, open_url: str) -> str:
        """Return a page: it is installed in the workspace of that name."""
        return render_page("installed.html", name=name, open_url=open_url)

    def refused(self, reason: str) -> str:
        """Return a page that says why it is not installed, and what to do."""
        refusal = REFUSALS.get(reason, OTHER_REFUSAL)
        return render_page("install_failed.html", refusal=refusal)


def went_wrong() -> str:
    """Return the page for a failure of ours."""
    return render_failure(SERVER_ERROR)
