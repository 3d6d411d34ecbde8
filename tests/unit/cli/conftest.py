from __future__ import annotations

import pytest

FILES = [
    "photos/b.jpg",
    "photos/a.PNG",
    "photos/notes.txt",
    "photos/a.emojified.png",
    "photos/a.debug.PNG",
    "photos/.hidden.jpg",
    "photos/sub/c.heic",
    "photos/sub/.git/d.jpg",
    "photos/.cache/e.jpg",
    "photos/odd[1].jpg",
    *("a.png", "b.jpg", "in/a.png", "in/sub/a.png", "out/x"),
]


@pytest.fixture
def folder_of_files(tmp_path, monkeypatch):
    """Make the current folder one with files of every sort."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "photos" / "folder.jpg").mkdir()
    (tmp_path / "photos" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "in" / "a.png")
    monkeypatch.chdir(tmp_path)
