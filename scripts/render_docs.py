"""Write the pages that are made from code; with ``--check``, only compare them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill, indent

import click

from emojifier_bot.cli.main import PROGRAM, app
from emojifier_bot.config import SettingRow, settings_table
from emojifier_bot.web.pages import SiteFacts, privacy_markdown

ROOT = Path(__file__).resolve().parents[1]
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
CLI_PAGE = ROOT / "docs" / "cli.md"
PRIVACY_PAGE = ROOT / "docs" / "privacy.md"
ENV_EXAMPLE = ROOT / ".env.example"

SET_UPS = """\
One of three set-ups. *Add to Slack*, for many workspaces: SLACK_CLIENT_ID,
SLACK_CLIENT_SECRET, SLACK_SIGNING_SECRET, PUBLIC_URL. One workspace: SLACK_BOT_TOKEN,
SLACK_SIGNING_SECRET. One workspace in Socket Mode, without a public address:
SLACK_BOT_TOKEN, SLACK_APP_TOKEN. `emojifier-bot check` says what is missing."""
#: What a newcomer needs comes first. All other settings are in `FINE`.
SECTIONS = (
    (
        "The Slack bot",
        SET_UPS,
        (
            "SLACK_CLIENT_ID",
            "SLACK_CLIENT_SECRET",
            "SLACK_SIGNING_SECRET",
            "PUBLIC_URL",
            "SLACK_BOT_TOKEN",
            "SLACK_APP_TOKEN",
            "SLACK_COMMAND",
            "SUPPORT_CONTACT",
            "EMOJIFIER_SOURCE_URL",
            "EMOJIFIER_READING",
        ),
    ),
    (
        "Database, keys and ports",
        "The defaults are right for a trial on one machine.",
        (
            "DATABASE_URL",
            "ENCRYPTION_KEYS",
            "HOST",
            "PORT",
            "METRICS_HOST",
            "METRICS_PORT",
        ),
    ),
    (
        "Network",
        "As other programs read them, in lower case too.",
        ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"),
    ),
    (
        "Log",
        "",
        ("EMOJIFIER_LOG_LEVEL", "EMOJIFIER_LOG_FORMAT"),
    ),
)
FINE = ("Pictures, models and limits", "The defaults suit most installations.")
UNUSUAL = (
    "Other addresses",
    "For tests and intranets. A wrong value here can expose pictures or tokens.",
    (
        "FETCH_ALLOW_HOSTS",
        "SLACK_API_URL",
        "SLACK_AUTHORIZE_URL",
        "SLACK_FILE_HOSTS",
    ),
)

SETTINGS_INTRO = """\
# Settings

Written by `make docs` from the table in `emojifier_bot/config/settings.py`.

Every setting is an environment variable. Variables that are not set are read from the
file `.env` in the current folder; in a clone `install -m 600 .env.example .env` starts
one.
Options of the command line take precedence over both. If a value is wrong, the program
stops with a list of all mistakes.

Other programs use names such as `DATABASE_URL` and `PORT` too. `replay`, `calibrate`,
`compare` and `bench` read only the settings of pictures, models, hosted back ends and
the log, whatever the others contain; the Python library does the same, without `.env`.
"""
SETTINGS_HEAD = """\
| Variable | Default | Allowed values | Meaning |
|---|---|---|---|
"""

CLI_INTRO = f"""\
# Command line

Written by `make docs`: the output of `{PROGRAM} --help` and of each command's `--help`.
After `make demo` the command is `.venv/bin/{PROGRAM}`.
"""

PRIVACY_INTRO = """\
# Privacy

Written by `make docs` from `emojifier_bot/web/templates/privacy.md`: what the page
`/privacy` of an installation says whose faces are read on its own server. “This server”
is the machine on which somebody runs the bot.

"""

#: Columns that help fills in a terminal of 80.
CLI_WIDTH = 78
PAGE_WIDTH = 88
#: Comments of a file of settings need no emphasis; commands stay in backticks.
PLAIN = str.maketrans("", "", "*")

ENV_INTRO = """\
# Copy this file to `.env` and remove the `#` from the lines to change.
# docs/settings.md has the same texts; `make docs` writes both.
"""


def settings_page() -> str:
    """Return the page with the settings table."""
    parts = [SETTINGS_INTRO]
    for title, note, rows in sections():
        parts += [f"\n## {title}\n\n", f"{fill(note, PAGE_WIDTH)}\n\n" if note else ""]
        parts += [SETTINGS_HEAD, *map(_table_line, rows)]
    return "".join(parts)


def env_example() -> str:
    """Return the example file, every setting commented out at its default."""
    parts = [ENV_INTRO]
    for title, note, rows in sections():
        words = fill(note.translate(PLAIN), PAGE_WIDTH - 2)
        parts += [f"\n\n### {title}\n", indent(f"{words}\n", "# ") if note else ""]
        parts += map(_env_lines, rows)
    return "".join(parts)


def sections() -> Iterator[tuple[str, str, list[SettingRow]]]:
    """Yield each section of the settings: its title, a note, and its rows."""
    rows = {row.variable: row for row in settings_table()}
    placed = {name for *_, names in (*SECTIONS, UNUSUAL) for name in names}
    fine = tuple(name for name in rows if name not in placed)
    for title, note, names in (*SECTIONS, (*FINE, fine), UNUSUAL):
        yield title, note, [rows[name] for name in names if name in rows]


def privacy_page() -> str:
    """Return what the page about privacy says, and where it says something else."""
    hosted = privacy_markdown(SiteFacts(face_backend="Amazon Rekognition"))
    _, _, faces = hosted.partition("\n## Who reads the faces\n\n")
    paragraph, _, _ = faces.partition("\n\n")
    return (
        f"{PRIVACY_INTRO}{privacy_markdown(SiteFacts())}\n\n"
        "## With a hosted back end\n\n"
        "Where `FACE_BACKEND` names a service, the page says of who reads the faces "
        f"instead:\n\n{indent(paragraph, '> ')}\n"
    )


def cli_page() -> str:
    """Return the page with the help of every verb."""
    return CLI_INTRO + "".join(
        f"\n## {words}\n\n```text\n{text.rstrip()}\n```\n"
        for words, text in help_texts()
    )


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield the command and each of its verbs, with what ``--help`` prints for it."""
    yield from _help_texts(app, PROGRAM, None)


def _help_texts(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=CLI_WIDTH,
        **command.context_settings,
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name_below in command.list_commands(context):
            verb = command.get_command(context, name_below)
            assert verb is not None
            yield from _help_texts(verb, name_below, context)


def _table_line(row: SettingRow) -> str:
    default = f"`{row.default}`" if row.default else "not set"
    return f"| `{row.variable}` | {default} | {row.kind.words} | {row.help} |\n"


def _env_lines(row: SettingRow) -> str:
    words = f"{row.help} Allowed: {row.kind.words}.".translate(PLAIN)
    told = indent(fill(words, PAGE_WIDTH - 2), "# ")
    return f"\n{told}\n#{row.variable}={row.default}\n"


def main(arguments: list[str]) -> int:
    """Write the pages, or name those that are out of date."""
    pages = {
        SETTINGS_PAGE: settings_page(),
        ENV_EXAMPLE: env_example(),
        CLI_PAGE: cli_page(),
        PRIVACY_PAGE: privacy_page(),
    }
    if "--check" in arguments:
        return _check(pages)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _check(pages: dict[Path, str]) -> int:
    stale = [
        path.relative_to(ROOT).as_posix()
        for path, text in pages.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for name in stale:
        print(f"{name} is out of date: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
