"""docs/cli.md says what ``--help`` says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from emojifier_bot.cli.main import PROGRAM, app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
#: Columns that help fills in a terminal of 80.
WIDTH = 78
#: Words of a command, and the help below them.
SECTION = re.compile(r"^## ([^\n]+)\n\n```text\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(SECTION.findall(PAGE.read_text("utf-8")))
#: In the lists of a group, which come last: the name of a verb, two columns in.
VERB = re.compile(r"^  ([a-z]+)  ", re.MULTILINE)
#: What click calls types; people read words.
JARGON = re.compile(r"TEXT|PATH|INTEGER|FLOAT|RANGE|<=|BOOLEAN|FILENAME|DIRECTORY")


def help_of(command: str) -> str:
    words = command.split()[1:]
    done = CliRunner().invoke(
        app, [*words, "--help"], prog_name=PROGRAM, terminal_width=WIDTH
    )
    assert done.exit_code == 0, done.output
    return done.stdout.rstrip()


@pytest.mark.parametrize("command", SECTIONS)
def test_the_page_is_in_step(command):
    assert SECTIONS[command] == help_of(command), "run `make docs`"


@pytest.mark.parametrize("command", SECTIONS)
def test_types_are_words(command):
    assert JARGON.findall(SECTIONS[command]) == []


@pytest.mark.parametrize("command", SECTIONS)
def test_every_value_has_its_default(command):
    found: click.Command = app
    for word in command.split()[1:]:
        found = found.get_command(click.Context(found), word)
    context = click.Context(found, show_default=True)
    valued = [
        one
        for one in found.params
        if isinstance(one, click.Option) and not one.is_flag and not one.required
    ]

    # An empty text is told as what it means.
    without = [
        one
        for one in valued
        if not re.search(r'default: [^"]', one.get_help_record(context)[1])
    ]
    assert [one.name for one in without] == []


def test_every_verb_has_its_section():
    commands, seen = [PROGRAM], []
    while commands:
        seen.append(commands.pop(0))
        lists = help_of(seen[-1]).partition("Show this message and exit.\n")[2]
        verbs = VERB.findall(lists)
        commands += [f"{seen[-1]} {verb}" for verb in verbs]

    assert len(seen) > 8
    assert sorted(seen) == sorted(SECTIONS), "run `make docs`"
