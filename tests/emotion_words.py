"""The words that say what somebody feels or seems to, for texts that must have none."""

from __future__ import annotations

import re
from functools import cache

from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.themes import list_themes, open_theme
from emojifier_bot.vision.types import Emotion

#: Beginnings of words: "ang" is in anger, angry and angrily.
STEMS = (
    *("ang", "enrag", "rage", "fury", "furious", "mad", "contempt", "scorn", "disdain"),
    *("disgust", "nause", "fear", "afraid", "scare", "frighten", "terror", "anxi"),
    *("happ", "joy", "glad", "cheer", "delight", "smil", "grin", "laugh", "beam"),
    *("neutral", "sad", "sorrow", "grief", "unhapp", "depress", "gloom", "cry", "sob"),
    *("surpris", "astonish", "amaze", "shock", "startl", "emotion", "feel", "mood"),
    *("smirk", "worri", "frown", "bored", "annoy", "irritat", "calm", "expression"),
)
#: Words of emoji's names and texts that only say what is visible, or join others.
VISIBLE = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "cold",
        "eye",
        "eyebrow",
        "eyes",
        "face",
        "faces",
        "for",
        "from",
        "in",
        "lying",
        "of",
        "on",
        "open",
        "out",
        "party",
        "raised",
        "rolling",
        "slightly",
        "star",
        "sticking",
        "stuck",
        "struck",
        "tears",
        "the",
        "tongue",
        "up",
        "wide",
        "wink",
        "winking",
        "with",
        "mouth",
        "closed",
        "tight",
        "teeth",
        "zipper",
        "hand",
        "over",
        "heart",
        "hearts",
        "sunglasses",
    ]
)


@cache
def emotion_words() -> frozenset[str]:
    """Return whole words: those of every emoji of every theme that ships."""
    emoji = [
        one
        for name in list_themes(emojis_dir())
        for one in open_theme(name).theme.emoji
    ]
    texts = " ".join(f"{one.name} {one.spoken}" for one in emoji).lower()
    words = {*re.findall(r"[a-z]+", texts.replace("_", " ")), *map(str, Emotion)}
    return frozenset(words - VISIBLE)


@cache
def emoji_characters() -> frozenset[str]:
    """Return every emoji itself: a screen reader speaks its name."""
    themes = map(open_theme, list_themes(emojis_dir()))
    return frozenset(one.character for found in themes for one in found.theme.emoji)


def found_in(text: str, *, spared: frozenset[str] = frozenset()) -> set[str]:
    """Return the emotion words and emoji in a text.

    Args:
        text: Of any kind: a sentence, JSON, a log line.
        spared: Words that stand there for another reason, like a setting's name.
    """
    words = {*re.findall(r"[a-z]+", text.lower().replace("_", " "))} - spared
    said = {one for one in words if one in emotion_words() or one.startswith(STEMS)}
    return said | {one for one in emoji_characters() if one in text}
