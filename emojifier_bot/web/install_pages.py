"""What a browser shows at the end of an installation, good or bad."""

from __future__ import annotations

from flask import render_template

#: Title, what happened, what to do: by a reason of Bolt's, Slack's or ours.
REFUSALS = {
    "access_denied": (
        "Not added",
        "The installation was cancelled in Slack.",
        "Nothing was changed. You can begin again at any time.",
    ),
    "invalid_browser": (
        "Please begin again",
        "This installation began in another browser, or its cookie was not kept.",
        "Begin again here, in one window, with cookies allowed.",
    ),
    "invalid_state": (
        "Please begin again",
        "This link was used before, or it is older than ten minutes.",
        "If the bot is in your workspace already, all is well. If not, begin again.",
    ),
    "slack_unreachable": (
        "Slack did not answer",
        "The last step, between this server and Slack, did not work.",
        "Nothing was changed. Please try again in a minute.",
    ),
}
OTHER_REFUSAL = (
    "Not added",
    "Slack did not complete the installation.",
    "Please begin again. If it happens twice, tell us on the support page.",
)


class RenderedInstallPages:
    """The `InstallPages` of the web server."""

    def installed(self, name: str, open_url: str) -> str:
        """Return a page: it is installed in the workspace of that name."""
        where = f"It is in {name} now." if name else "It is in your workspace now."
        return render_template(
            "outcome.html",
            title="Emojifier Bot is added",
            happened=where,
            to_do="Type /emojify help in any channel to see what it can do.",
            link=open_url,
            link_text="Open it in Slack",
        )

    def refused(self, reason: str) -> str:
        """Return a page that says why it is not installed, and what to do."""
        title, happened, to_do = REFUSALS.get(reason, OTHER_REFUSAL)
        return render_template(
            "outcome.html",
            title=title,
            happened=happened,
            to_do=to_do,
            link="/slack/install",
            link_text="Begin again",
        )


def went_wrong() -> str:
    """Return the page for a failure of ours."""
    return render_template(
        "outcome.html",
        title="Something went wrong",
        happened="This server failed; it was noted.",
        to_do="Please try again in a minute.",
        link="/",
        link_text="To the first page",
    )
