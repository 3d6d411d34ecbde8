from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emojifier_bot.errors import ConfigError, ModelFileError
from emojifier_bot.vision.analyzers.hosted import HostedAnalyzer
from emojifier_bot.vision.analyzers.registry import (
    BACKENDS,
    GROUP,
    LOCAL,
    BackendOptions,
    Service,
    backend_names,
    build_analyzer,
    service_of,
)
from emojifier_bot.vision.decode import from_image
from tests.face_apis import VENDORS, options_for
from tests.fakes.face_api import serving
from tests.fakes.faces import picture_with_faces

ROOT = Path(__file__).parents[4]
#: The example of the documentation.
DOCUMENT = ROOT / "docs" / "backends.md"


def options(models: Path) -> BackendOptions:
    return BackendOptions(models=models, min_confidence=0.5, emotion_model="fused")


def blocks(language: str) -> list[str]:
    """Return the code blocks of one language in the documentation."""
    parts = DOCUMENT.read_text("utf-8").split(f"```{language}\n")[1:]
    return [part.partition("```")[0] for part in parts]


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    for ask in (lambda name: build_analyzer(name, options(tmp_path)), service_of):
        with pytest.raises(ConfigError, match=r"no face back end 'magic'.*local"):
            ask("magic")


def test_only_local_keeps_pictures_here():
    assert [name for name in BACKENDS if service_of(name) is None] == [LOCAL]
    assert sorted(VENDORS) == sorted(set(BACKENDS) - {LOCAL})


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_every_name_builds_its_back_end(name, tmp_path):
    assert BACKENDS[name].value.startswith("emojifier_bot.vision.analyzers.")
    with serving(VENDORS[name].fake()) as fake:
        analyzer = build_analyzer(name, options_for(name, fake.url))
        reading = analyzer.analyze(from_image(picture_with_faces((90, 90), [])))

    assert (reading.backend, reading.faces) == (name, ())
    assert type(analyzer) is HostedAnalyzer
    with pytest.raises(ConfigError, match=r"docs/backends\.md"):
        build_analyzer(name, options(tmp_path))


def test_local_names_the_missing_model(tmp_path):
    with pytest.raises(
        ModelFileError, match=r"no fused emotion model.*no model at all"
    ):
        build_analyzer("local", options(tmp_path))


def test_names_and_services_load_no_back_end():
    code = (
        "import sys; from emojifier_bot.vision.analyzers import registry as r; "
        "r.backend_names(); [r.service_of(n) for n in r.BACKENDS]; "
        "print([m for m in ('cv2', 'onnxruntime', 'requests', 'botocore') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


class TestOutsiders:
    """Another package's back end, installed as pip would, from the documentation."""

    @pytest.fixture
    def site(self, tmp_path, monkeypatch):
        """Return a folder on the path where packages are installed."""
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    def install(self, site: Path, code: str, name: str, value: str) -> None:
        (site / "middle_face.py").write_text(code)
        info = site / "emojifier_middle_face-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: emojifier-middle-face\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")

    def test_the_example_works(self, site, tmp_path, monkeypatch):
        monkeypatch.delitem(sys.modules, "middle_face", raising=False)
        (code,) = blocks("python")
        (table,) = (text for text in blocks("toml") if GROUP in text)
        name, _, value = table.strip().splitlines()[-1].partition(" = ")
        self.install(site, code, name, value.strip('"'))

        analyzer = build_analyzer(name, options(tmp_path))
        reading = analyzer.analyze(from_image(picture_with_faces((300, 200), [])))

        assert name in backend_names()
        assert reading.backend == name
        assert len(reading) == 1
        assert reading.faces[0].box.center_xy == (150, 100)

    def test_it_counts_as_a_service(self, site):
        self.install(site, "", "middle", "middle_face:build")

        assert service_of("middle") == Service("middle")

    def test_our_names_stay_ours(self, site):
        self.install(site, "", LOCAL, "middle_face:build")

        assert backend_names().count(LOCAL) == 1
        with pytest.raises(ModelFileError):
            build_analyzer(LOCAL, options(site))

    @pytest.mark.parametrize("value", ["nothing_there:build", "middle_face:missing"])
    def test_a_broken_one_is_a_config_error(self, site, value):
        self.install(site, "", "broken", value)

        with pytest.raises(ConfigError, match="'broken' cannot be loaded"):
            build_analyzer("broken", options(site))
