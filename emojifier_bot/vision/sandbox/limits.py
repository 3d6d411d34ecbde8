"""What a decoder's process may take."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from emojifier_bot.vision.decode import DecodeLimits

#: A process decodes so many pictures, then a fresh one takes its place: what a library
#: loses, or a hostile picture left behind, does not stay for long.
PICTURES_PER_CHILD = 100


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one picture may take; the system stops whoever takes more."""

    picture: DecodeLimits = field(default_factory=DecodeLimits)
    #: Of one process, on top of what it has when it starts. 60 megapixels take 1.3 GB
    #: where they are stored sideways, with a profile, or with 16 bits.
    memory_bytes: int = 1_500_000_000
    #: On the processor. A big picture takes 2 seconds where nothing else runs.
    cpu_seconds: int = 20
    #: By the clock, all in all.
    wall_seconds: float = 40.0

    def to_json(self) -> str:
        """Return them as an argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ChildLimits:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "picture": DecodeLimits(**values["picture"])})
