from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from emojifier_bot import __version__
from emojifier_bot.cli.main import app
from tests.images import encoded, photo

runner = CliRunner()


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(encoded(photo(), "PNG"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "IN"),
        (["a.png", "--nonsense"], "--nonsense"),
        (["a.png", "--quality", "0"], "quality"),
        (["a.png", "--quality", "101"], "quality"),
        (["a.png", "--quality", "fine"], "quality"),
        (["a.png", "--min-confidence", "0"], "min-confidence"),
        (["a.png", "--min-confidence", "1.1"], "min-confidence"),
        (["a.png", "--min-confidence", "nan"], "MIN_CONFIDENCE is 'nan'"),
        (["a.png", "--emotion-model", "magic"], "emotion-model"),
        (["a.png", "--seed", "1"], "--surprise"),
        (["a.png", "--seed", "x", "--surprise"], "seed"),
        (["a.png", "-q", "-v"], "-q and -v"),
        (["a.png", "-o", "-", "--json"], "--json and -o -"),
        (["a.png", "b.png", "-o", "-"], "one picture"),
        (["a.png", "b.png", "-o", "a.png"], "a.png is a file"),
        (["a.png", "a.png"], "would both become"),
        (["a.png", "-o", "a.png"], "is an input"),
        (["a.png", "-o", "a.png", "--force"], "is an input"),
        (["a.png", "-o", ""], "-o needs a name"),
        (["a.png", "-o", "out.txt"], r"'.txt'. These work: .jpg"),
        (["a.png", "-o", "out.heic"], "'.heic'"),
        ([""], "IN needs a name"),
        (["-"], "needs -o"),
        (["-", "--json"], "needs -o"),
        (["-", "-", "-o", "out/"], "only once"),
        (["-", "-o", "-", "--debug"], "--debug"),
        (["a.png", "--theme", "nosuch"], "'nosuch'; there is classic"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments, says):
    done = runner.invoke(app, ["replay", *arguments])

    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "b.png"]


def test_a_wrong_setting_is_wrong_usage(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_MAX_BYTES", "none")
    monkeypatch.setenv("EMOJIFIER_THREADS", "-1")

    done = runner.invoke(app, ["replay", "a.png"])

    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 2


def test_an_unknown_back_end_lists_the_known_ones():
    done = runner.invoke(app, ["replay", "a.png", "--backend", "nosuch"])

    assert done.exit_code == 2
    assert "no face back end 'nosuch'; there is azure," in done.stderr


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["models"], ["models", "nosuch"], ["themes", "nosuch"]]
)
def test_unknown_verbs_are_wrong_usage(arguments):
    assert runner.invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    "verb",
    [
        [],
        ["replay"],
        ["models"],
        ["models", "list"],
        ["models", "verify"],
        ["themes"],
        ["themes", "list"],
        ["themes", "verify"],
        ["check"],
        ["bench"],
    ],
    ids=" ".join,
)
def test_every_verb_explains_itself(verb):
    done = runner.invoke(app, [*verb, "--help"])

    assert done.exit_code == 0
    assert done.stderr == ""
    assert "Usage" in done.stdout


def test_the_version_is_told():
    done = runner.invoke(app, ["--version"])

    assert done.exit_code == 0
    assert __version__ in done.stdout
