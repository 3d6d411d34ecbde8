"""Every entry of the table of formats works on every path; a new one is tested by this.

What Pillow cannot write by itself needs its options in `OPTIONS`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emojifier_bot.app import make_web_client
from emojifier_bot.cli.console import Reporter
from emojifier_bot.cli.inputs import find_inputs
from emojifier_bot.cli.outputs import OutputFiles, plan_targets
from emojifier_bot.cli.replay import FileEmojifier
from emojifier_bot.config import PictureSettings
from emojifier_bot.vision.decode import decode
from emojifier_bot.vision.formats import FORMATS, channel_format, format_named, sniff
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from tests.fakes.faces import picture_with_faces
from tests.fakes.pipeline import fake_pipeline
from tests.images import assert_same_pixels, encoded

SIZE_WH = (200, 150)
FACE = picture_with_faces(SIZE_WH, [(20, 20, 80, 80)])
OPTIONS = {
    "JPEG": {"quality": 95},
    "MPO": {"quality": 95, "save_all": True, "append_images": [FACE]},
    "ICO": {"sizes": [SIZE_WH]},
}
FILES = {
    one.name: encoded(FACE, one.name, **OPTIONS.get(one.name, {})) for one in FORMATS
}


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder() as one:
        yield one


@pytest.mark.parametrize("extension", [e for one in FORMATS for e in one.extensions])
def test_replay_takes_and_gives_every_extension(extension, tmp_path, monkeypatch):
    (given,) = [one for one in FORMATS if extension in one.extensions]
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder", f"photo{extension}").write_bytes(FILES[given.name])

    inputs = find_inputs(["folder"], recursive=False)
    targets = plan_targets(inputs, "out")
    emojifier = FileEmojifier(
        fake_pipeline(),
        OutputFiles(inputs.identities, force=False),
        Reporter(quiet=True),
        max_bytes=1_000_000,
        make_client=lambda: make_web_client(PictureSettings()),
    )
    assert emojifier.run(inputs, targets)

    (written,) = Path("out").iterdir()
    assert written == targets[0].expected
    becomes = format_named(given.becomes[0])
    assert written.suffix in becomes.extensions
    assert sniff(written.read_bytes()) is becomes


@pytest.mark.parametrize("given", FORMATS, ids=lambda one: one.name)
def test_the_bot_decodes_it_and_posts_what_slack_shows(decoder, given):
    data = FILES[given.name]
    here, there = decode(data), decoder.decode(data)

    assert there.source_format == here.source_format == given.name
    assert_same_pixels(there.image, here.image)
    assert decoder.deaths == {}
    result = fake_pipeline().run(there, EmojifyOptions())
    shown = channel_format(result.format)
    assert shown.shown_in_channel
    assert sniff(result.encode_for(shown.extensions[0])) is shown
    if given.name == "ICO":
        assert result.format == shown.name == "PNG"


@pytest.mark.parametrize("page", ["README.md", "docs/slack.md"])
def test_the_pages_for_people_name_it(page):
    text = (ROOT / page).read_text("utf-8")
    missing = [one.title for one in FORMATS if one.title not in text]
    assert missing == [], f"name the format in {page} too"
