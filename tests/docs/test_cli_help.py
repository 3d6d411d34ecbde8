"""docs/cli.md says what ``--help`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from emojifier_bot.cli.main import PROGRAM, app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
#: Columns that help fills in a terminal of 80.
WIDTH = 78
#: Words of a command, and the help below them.
SECTION = re.compile(r"^## ([^\n]+)\n\n```text\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(SECTION.findall(PAGE.read_text("utf-8")))
#: In the list of a group, two columns in: the name of a verb.
VERB = re.compile(r"^  ([a-z]+)  ", re.MULTILINE)


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


def test_every_verb_has_its_section():
    commands, seen = [PROGRAM], []
    while commands:
        seen.append(commands.pop(0))
        verbs = VERB.findall(help_of(seen[-1]).partition("\nCommands:\n")[2])
        commands += [f"{seen[-1]} {verb}" for verb in verbs]

    assert len(seen) > 8
    assert sorted(seen) == sorted(SECTIONS), "run `make docs`"
