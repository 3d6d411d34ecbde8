"""Whether the Slack bot's settings fit together."""

from __future__ import annotations

from emojifier_bot.config.settings import Settings


def bot_problems(settings: Settings) -> list[str]:
    """Return what is missing or wrong for the Slack bot, a sentence each.

    Three set-ups work: *Add to Slack* for many workspaces, one workspace by a bot
    token, and that one in Socket Mode, without a public address.
    """
    problems = [
        f"{variable} begins with {begin}, so it is {other}: exchange the two."
        for variable, begin, other, value in (
            (
                "SLACK_BOT_TOKEN",
                "xapp-",
                "an app-level token",
                settings.slack_bot_token,
            ),
            ("SLACK_APP_TOKEN", "xoxb-", "a bot token", settings.slack_app_token),
        )
        if value.get_secret_value().startswith(begin)
    ]
    if not settings.slack_app_token and not settings.slack_signing_secret:
        problems.append(
            "SLACK_SIGNING_SECRET is missing: copy it from *Basic Information* at "
            "https://api.slack.com/apps, or set SLACK_APP_TOKEN for Socket Mode."
        )
    if settings.slack_app_token and not settings.slack_bot_token:
        problems.append(
            "SLACK_BOT_TOKEN is missing: Socket Mode serves the one workspace whose "
            "token *OAuth & Permissions* shows after *Install to Workspace*."
        )
    if not settings.slack_app_token and not settings.slack_bot_token:
        problems += [
            f"{variable} is missing: copy it from *Basic Information* at "
            "https://api.slack.com/apps, or set SLACK_BOT_TOKEN for one workspace."
            for variable, value in (
                ("SLACK_CLIENT_ID", settings.slack_client_id),
                ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
            )
            if not value
        ]
    if settings.database_url.startswith("postgresql") and not settings.encryption_keys:
        problems.append(
            "ENCRYPTION_KEYS is missing: machines that share a PostgreSQL database "
            "share it; `emojifier-bot keys new` prints one."
        )
    return problems


def is_bot_set_up(settings: Settings) -> bool:
    """Return whether anybody began to set the Slack bot up."""
    return bool(
        settings.slack_signing_secret
        or settings.slack_client_id
        or settings.slack_client_secret
        or settings.slack_bot_token
        or settings.slack_app_token
    )
