from __future__ import annotations

import io

import pytest
from click.testing import CliRunner
from PIL import Image

from emojifier_bot.cli.console import (
    Reporter,
    WrongUsage,
    must_read_expressions,
    print_err,
    shown,
)
from emojifier_bot.cli.main import app
from emojifier_bot.config import PictureSettings
from tests.threads import wait_until


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain name.jpg", "plain name.jpg"),
        ("Größe 😀.jpg", "Größe 😀.jpg"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("bad \udcff byte", "bad \\udcff byte"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("[bold]no markup[/] :smile:", "[bold]no markup[/] :smile:"),
    ],
)
def test_names_are_shown_on_one_line(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("quiet", "written"), [(False, "note\nproblem\n"), (True, "problem\n")]
)
def test_all_goes_to_standard_error_and_problems_always(capsys, quiet, written):
    reporter = Reporter(quiet=quiet)
    reporter.note("note")
    reporter.problem("problem")

    assert capsys.readouterr() == ("", written)


def test_without_standard_error_nothing_goes_elsewhere(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)

    print_err("lost")

    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    """What pretends to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "shows"),
    [
        (Terminal(), False, True),
        (Terminal(), True, False),
        (io.StringIO(), False, False),
    ],
)
def test_the_bar_is_for_terminals_only(monkeypatch, stream, quiet, shows):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    reporter = Reporter(quiet=quiet)

    with reporter.progress("Pictures", 2) as advance:
        advance(1, 2)
        reporter.problem("[b]odd[/b] name")
        advance(2, 2)

    assert ("Pictures" in stream.getvalue()) is shows
    assert "[b]odd[/b] name" in stream.getvalue()


def test_a_clip_has_a_second_bar_once_it_moves(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    reporter = Reporter()

    with reporter.part("Frames") as advance:
        advance(1, 80)  # without a first bar there is no second one
    with reporter.progress("Pictures", 2):
        with reporter.part("Frames"):
            pass
        assert "Frames" not in stream.getvalue()
        with reporter.part("Frames") as advance:
            advance(40, 80)
            wait_until(lambda: "40/80" in stream.getvalue())

    assert "Frames" in stream.getvalue()
    assert "40/80" in stream.getvalue()


@pytest.mark.parametrize("reading", ["shapes", "off"])
def test_what_reads_expressions_is_refused_where_a_setting_forbids_it(reading):
    must_read_expressions(PictureSettings())

    with pytest.raises(WrongUsage, match=f"EMOJIFIER_READING is {reading}, and this"):
        must_read_expressions(PictureSettings(reading=reading))


@pytest.mark.parametrize(
    "command",
    [
        ["calibrate", "photos"],
        ["compare", "local", "google", "photos"],
        ["themes", "new", "art", "--name", "mine", "--photos", "photos"],
    ],
)
def test_every_command_that_reads_them_is(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("photos/grin", "art"):
        (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "grin" / "a.png")
    Image.new("RGBA", (64, 64), "yellow").save(tmp_path / "art" / "hat.png")
    monkeypatch.setenv("EMOJIFIER_READING", "off")

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 2, done.output
    assert "EMOJIFIER_READING is off" in done.output
