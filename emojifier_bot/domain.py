"""What passes between Slack, the queue and the job: references and summaries only.

Nothing here holds a picture or a token. An address that somebody typed and a response
URL are secrets: they are carried sealed, see `emojifier_bot.db.crypto.Vault`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from emojifier_bot.errors import ErrorKind

if TYPE_CHECKING:
    from emojifier_bot.vision.plan import Plan

#: How long jobs that ended, and posts, are remembered.
RETENTION = timedelta(days=30)
#: The entry point's name in recorded jobs, whatever version of the bot wrote them.
RECORDED_ENTRYPOINT = "way"


class Entrypoint(StrEnum):
    """How somebody asked: by a command, a shortcut, a message or a button."""

    COMMAND = "command"
    SHORTCUT = "shortcut"
    MENTION = "mention"
    DIRECT_MESSAGE = "direct_message"
    TRY_ANOTHER = "try_another"
    #: A menu or button of a preview.
    PREVIEW = "preview"
    #: *Why?* below a result.
    WHY = "why"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Whose installation: a workspace's own, or an organisation's for all its own."""

    team_id: str
    enterprise_id: str = ""
    is_org_install: bool = False

    @property
    def id(self) -> str:
        """Return where its posts belong, whoever serves it, and its name in logs."""
        return self.team_id or self.enterprise_id


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where a picture is found, and found again. Exactly one of the first four is set.

    Raises:
        ValueError: None or several of them are set.
    """

    #: A file in Slack.
    file_id: str = ""
    #: An address that somebody typed, sealed.
    sealed_address: str = ""
    #: The newest image of the request's channel that no bot posted.
    newest: bool = False
    #: The images of the message with this timestamp in the request's channel.
    message_ts: str = ""
    #: Who wrote the messages that show the picture and who uploaded it, as far as that
    #: is known: ids with spaces between.
    posted_by: str = ""
    #: What the file is called, where the message says that.
    name: str = ""
    #: The channel of the message, where it is not the request's.
    channel_id: str = ""
    #: The message begins a thread: its newest picture is meant.
    in_thread: bool = False
    #: The newest result of the bot counts too, for what it was made from.
    again: bool = False

    def __post_init__(self) -> None:
        """Check that it names one place."""
        named = (self.file_id, self.sealed_address, self.newest, self.message_ts)
        if sum(map(bool, named)) != 1:
            raise ValueError(f"An image reference names one place, not {self!r}.")

    @property
    def posters(self) -> frozenset[str]:
        """Return the ids of the people whose picture it is."""
        return frozenset(self.posted_by.split())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageReference:
        """Read one from JSON types, perhaps those of a newer version of the bot."""
        return cls(**known_fields(cls, values))


@dataclass(frozen=True, slots=True)
class EmojifyRequest:
    """What was asked, whichever way; the whole input of a job."""

    workspace: Workspace
    entrypoint: Entrypoint
    #: Who asked.
    user_id: str
    #: Where it was asked; the result goes there unless it is private.
    channel_id: str
    source: ImageReference
    #: Further pictures that are asked for at once; results come in this order.
    further: tuple[ImageReference, ...] = ()
    #: Parent of the thread that gets the result; empty for the channel itself.
    thread_ts: str = ""
    #: Results of several pictures begin that thread: nothing may be in it yet.
    begins_thread: bool = False
    #: Name of a theme; empty for the settings' own.
    theme: str = ""
    #: Draw among near neighbours of the best emoji.
    surprise: bool = False
    #: The result goes to the asker's direct messages with the bot.
    private: bool = False
    #: Where the asker can be answered for 30 minutes; empty where Slack gave none.
    sealed_response_url: str = ""
    #: The message that wears the reaction "seen"; empty for none.
    reaction_ts: str = ""
    #: The slash command's name, as it was typed; empty if it was asked in another way.
    command: str = ""
    #: Asked in a direct message among several people, which has no sign in its id.
    in_group: bool = False
    #: The message whose button was pressed; empty for none.
    button_ts: str = ""
    #: What is asked for single faces: `vision.edits.parse_edits` reads it.
    words: tuple[str, ...] = ()
    #: How faces are read at most, as the workspace and the asker have chosen; empty for
    #: what the operator allows.
    reading: str = ""
    #: Show it to the asker alone first. ``private`` is set too, so that a version of
    #: the bot without previews shows it to nobody else.
    preview: bool = False
    #: Where *Post* puts it then: into the asker's direct messages, or where they asked.
    post_privately: bool = False
    #: Without a preview, although the asker or the workspace has chosen to have one.
    at_once: bool = False
    #: The preview that is drawn anew or posted; empty for none.
    draft_id: str = ""
    #: `EmojifiedPicture.digest` of what is posted of it.
    digest: str = ""
    #: Name of the channel where it was asked, where Slack says it.
    channel_name: str = ""
    #: *Try another*: the post that the new one replaces, and which press this is.
    replaces_post_id: str = ""
    press: int = 0

    @property
    def sources(self) -> tuple[ImageReference, ...]:
        """Return every picture that is asked for, in order."""
        return (self.source, *self.further)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        values = asdict(self)
        values[RECORDED_ENTRYPOINT] = values.pop("entrypoint")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EmojifyRequest:
        """Read what `to_dict` returned, perhaps that of a newer version of the bot.

        What that one added is left out: it means the usual here, and an entrypoint
        that this version does not have counts as a command.
        """
        parts = known_fields(cls, values)
        parts["workspace"] = Workspace(**known_fields(Workspace, parts["workspace"]))
        parts["source"] = ImageReference.from_dict(parts["source"])
        parts["words"] = tuple(parts.get("words", ()))
        further = parts.get("further", ())
        parts["further"] = tuple(map(ImageReference.from_dict, further))
        recorded = values[RECORDED_ENTRYPOINT]
        known = recorded in {*Entrypoint}
        entrypoint = Entrypoint(recorded) if known else Entrypoint.COMMAND
        return cls(**parts, entrypoint=entrypoint)


def known_fields(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some values that a dataclass has fields for."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """A picture's bytes, and what it was called, in memory only."""

    data: bytes = field(repr=False)
    #: File name for people, ``"party.jpg"``; never a path.
    name: str


@dataclass(frozen=True, slots=True)
class ResultPicture:
    """The encoded result on its way to Slack, in memory only."""

    data: bytes = field(repr=False)
    filename: str
    alt_text: str


@dataclass(frozen=True, slots=True)
class FaceSummary:
    """One face of a result, in reading order."""

    #: The emoji itself, ``"😐"``.
    character: str
    #: Its spoken name, ``"neutral face"``.
    spoken: str
    sure: bool
    #: How many faces like this one: more than one only where there are very many.
    count: int = 1


#: More faces than this are stored by kind, not one by one: a row has 10 kB at most.
MOST_SINGLE_FACES = 100


def summarized(faces: Iterable[FaceSummary]) -> tuple[FaceSummary, ...]:
    """Return what is stored of some faces: of very many, each kind with its count."""
    every = tuple(faces)
    if len(every) <= MOST_SINGLE_FACES:
        return every
    return tuple(replace(one, count=n) for one, n in Counter(every).items())


@dataclass(frozen=True, slots=True)
class EmojifiedPicture:
    """What a job needs of a result, in memory only."""

    #: Encoded; empty for a picture without faces.
    data: bytes = field(repr=False)
    #: Pillow's name of its format: one that Slack shows in a channel.
    format: str
    alt_text: str
    faces: tuple[FaceSummary, ...]
    #: Name of the back end that read the faces.
    backend: str
    #: Duration of each stage.
    milliseconds: Mapping[str, float]
    #: Sentences on what the result lacks of its picture.
    notes: tuple[str, ...] = ()
    #: Of a result that moves; 1 for a picture.
    frames: int = 1
    #: What was painted; None where nobody asked.
    plan: Plan | None = None
    #: SHA-256 that is the same where the same is posted; a preview has that of what
    #: would be.
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the faces of a picture got their emoji, in memory only."""

    #: A PNG with a card for each face, without the photo; empty without faces.
    data: bytes = field(repr=False)
    #: One for each face, which say no more than the reading mode allows.
    sentences: tuple[str, ...]
    #: Faces that are not explained: there were too many.
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """A result that Slack holds or is about to show."""

    #: The job's id; buttons carry it.
    post_id: str
    workspace: Workspace
    asker_id: str
    file_id: str
    #: Where it is shown: the request's channel, or the asker's direct messages.
    channel_id: str
    title: str
    alt_text: str
    faces: tuple[FaceSummary, ...]
    #: What it was made from; *Try another* fetches that again.
    source: ImageReference
    thread_ts: str = ""
    theme: str = ""
    #: Sentences on what the result lacks of its picture. The log does not keep them,
    #: nor how many frames a result has that moves.
    notes: tuple[str, ...] = ()
    frames: int = 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Post:
        """Read one from JSON types, perhaps those of a newer version of the bot."""
        parts = known_fields(cls, values)
        parts["workspace"] = Workspace(**known_fields(Workspace, parts["workspace"]))
        parts["source"] = ImageReference.from_dict(parts["source"])
        parts["faces"] = tuple(
            FaceSummary(**known_fields(FaceSummary, face)) for face in parts["faces"]
        )
        parts["notes"] = tuple(parts.get("notes", ()))
        return cls(**parts)


@dataclass(frozen=True, slots=True)
class PostRecord:
    """A post as the log remembers it."""

    post: Post
    posted_at: datetime
    #: How often *Try another* was pressed.
    presses: int = 0
    #: Who deleted it, or the id of the post that took its place; empty while it stands.
    deleted_by: str = ""
    deleted_at: datetime | None = None


class ShareState(StrEnum):
    """What Slack says about a file and a channel."""

    SHARED = "shared"
    #: Known, but (not yet) shown in the channel.
    PENDING = "pending"
    #: Slack says that somebody deleted it.
    DELETED = "deleted"
    #: Slack does not know it: never completed, or long gone.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Share:
    """Where and how a file is shown in a channel."""

    state: ShareState
    #: Timestamp of the message that shows it, and of its thread's parent.
    message_ts: str = ""
    thread_ts: str = ""
    #: Slack refused the buttons under it.
    lacks_buttons: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Share:
        """Read one from JSON types."""
        parts = known_fields(cls, values)
        return cls(**parts | {"state": ShareState(parts["state"])})


class OutcomeKind(StrEnum):
    """How a request or a job ended where nothing failed; the values are stored."""

    ACCEPTED = "accepted"
    ACCEPTED_PRIVATE = "accepted_private"
    #: Asked in a direct message; between people the bot cannot post.
    ACCEPTED_DIRECT = "accepted_direct"
    ACCEPTED_PREVIEW = "accepted_preview"
    POSTED = "posted"
    #: The asker alone sees it.
    PREVIEWED = "previewed"
    #: Whoever pressed *Why?* alone sees the reasons.
    EXPLAINED = "explained"
    ACCEPTED_WHY = "accepted_why"
    NO_FACE = "no_face"
    #: Of several pictures some were not posted.
    SEVERAL = "several"
    #: Somebody deleted the result at once.
    REMOVED = "removed"
    #: An operator ended the job.
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class NotPosted:
    """One of several pictures, and why it was not posted."""

    #: An `OutcomeKind`, an `ErrorKind` or a code of Slack's.
    kind: str
    #: Its place among all, from 1.
    number: int
    #: Its file's name; empty if that is not known, or if several have it.
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request was taken or a job ended, for whoever asked."""

    #: An `OutcomeKind`, an `ErrorKind` or a code of Slack's; each has its sentence.
    kind: str
    #: What a sentence may name: ``{"theme": "classic"}``; never a secret.
    facts: Mapping[str, str] = field(default_factory=dict)
    #: With `OutcomeKind.SEVERAL`: the pictures that were not posted, in order.
    missing: tuple[NotPosted, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """How many pictures may be asked for: so many at once, and again as time passes."""

    #: What whoever asks for more is told.
    kind: ErrorKind
    pictures: int
    period_seconds: int
    #: Each person has it alone; else all of a workspace have it together.
    is_personal: bool = False


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit that is used up, and for how long."""

    limit: Limit
    #: Until one more picture may be asked for.
    wait_seconds: float

    def wait_for(self, pictures: int) -> float:
        """Return how long to wait for so many pictures, or for all that may be had."""
        more = min(pictures, self.limit.pictures) - 1
        return (
            self.wait_seconds + more * self.limit.period_seconds / self.limit.pictures
        )


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """The durable record of one request, as operators see it."""

    job_id: str
    state: JobState
    request: EmojifyRequest
    created_at: datetime
    updated_at: datetime
    #: Of the workflow that began it; empty until then.
    version: str = ""
    #: Kind of its outcome; empty until it ended.
    outcome: str = ""
    #: Steps that are done, in order, with what each recorded in short.
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Installation:
    """One workspace's or organisation's consent, with the bot's token."""

    workspace: Workspace
    bot_token: str = field(repr=False)
    bot_user_id: str
    bot_id: str = ""
    app_id: str = ""
    scopes: tuple[str, ...] = ()
    #: Set where tokens rotate.
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    #: Names for people.
    team_name: str = ""
    enterprise_name: str = ""
    installed_by: str = ""
    installed_at: datetime | None = None
