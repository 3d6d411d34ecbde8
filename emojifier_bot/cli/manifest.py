"""``manifest``: what to paste where Slack makes apps."""

from __future__ import annotations

import click

from emojifier_bot.cli.console import WrongUsage


@click.command
@click.option(
    "--url",
    default="",
    show_default="the setting PUBLIC_URL",
    help="Where the world reaches the bot, https://bot.example.com.",
)
@click.option(
    "--socket-mode", is_flag=True, help="For one workspace, without a public address."
)
def manifest(url: str, socket_mode: bool) -> None:
    """Print the Slack app manifest for this deployment, as JSON.

    Paste it at https://api.slack.com/apps, under "Create New App", "From a manifest".
    """
    import json

    from emojifier_bot.config import load_settings
    from emojifier_bot.errors import ConfigError
    from emojifier_bot.slack.manifest import manifest as make_manifest

    if socket_mode and url:
        raise WrongUsage("Over Socket Mode nothing has an address: leave --url out.")
    url = url or load_settings().public_url
    if not socket_mode and not url.startswith("https://"):
        problem = "Slack sends to an https:// address only. Name it with --url, or try "
        raise ConfigError([problem + "the bot without one: --socket-mode."])
    print(json.dumps(make_manifest(url, socket_mode=socket_mode), indent=2))
