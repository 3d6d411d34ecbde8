"""What the pages tell about this installation."""

from __future__ import annotations

from dataclasses import dataclass, field

from emojifier_bot.metrics import installed_version
from emojifier_bot.slack.manifest import COMMAND

__all__ = ["LOCAL_BACKEND", "SiteFacts"]

#: The face back end that runs on the bot's own machine.
LOCAL_BACKEND = "local"


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """The facts of one installation."""

    #: Where the world reaches the bot; empty where nobody set it.
    public_url: str = ""
    #: Whether people can add the bot to their Slack here.
    install_available: bool = False
    #: An e-mail address, an address on the web, or words; empty for none.
    support_contact: str = ""
    #: What reads the faces: `LOCAL_BACKEND`, or the name of a service.
    face_backend: str = LOCAL_BACKEND
    #: How long posts, and jobs that ended, are remembered.
    post_log_days: int = 30
    job_days: int = 30
    #: How long an installation may take; a state and a cookie live that long.
    state_minutes: int = 10
    command: str = COMMAND
    version: str = field(default_factory=installed_version)

    @property
    def reads_faces_here(self) -> bool:
        """Return whether no picture goes to a service that reads faces."""
        return self.face_backend == LOCAL_BACKEND
