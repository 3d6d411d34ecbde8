"""What the bot reads and keeps, in words: one source for the page and the docs.

Sentences may hold `code` and *strong*, as in Markdown, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emojifier_bot.slack.manifest import Scope
from emojifier_bot.web.facts import SiteFacts

__all__ = ["Section", "privacy_markdown", "privacy_sections"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, in this order."""

    #: Name of the section in addresses.
    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()


def each(*texts: str) -> tuple[str, ...]:
    """Return paragraphs, items or the cells of a row."""
    return texts


def privacy_sections(facts: SiteFacts, scopes: Sequence[Scope]) -> tuple[Section, ...]:
    """Return everything there is to say, for one installation."""
    return (
        _in_short(facts),
        _read(facts),
        _faces(facts),
        _kept(facts),
        _never(),
        _allowed(scopes),
        _people(facts),
        _leaving(),
    )


def _in_short(facts: SiteFacts) -> Section:
    command = facts.command
    return Section(
        "in-short",
        "In short",
        items=each(
            "The bot reads only the pictures that somebody points it at.",
            "Pictures are held in memory while it works on them. None is stored.",
            *_goes_elsewhere(facts),
            "Faces are found, not recognised. The bot never knows who somebody is.",
            f"What stays behind are short notes for {facts.post_log_days} days: which "
            "file was posted where, who asked, who deleted it.",
            f"With `{command} opt out` anybody keeps the bot from the pictures that "
            "they post.",
        ),
    )


def _goes_elsewhere(facts: SiteFacts) -> tuple[str, ...]:
    if facts.reads_faces_here:
        return ()
    return each(
        f"A copy of each picture goes to “{facts.face_backend}”. What it keeps or "
        "learns from it, its own terms say.",
    )


def _read(facts: SiteFacts) -> Section:
    command = facts.command
    return Section(
        "read",
        "What is read, and when",
        columns=each("What", "When"),
        rows=(
            each(
                "A picture",
                f"When somebody asks for it: with `{command}`, with the shortcut "
                "*Emojify faces*, by mentioning the bot, or by sending it the picture "
                "in a direct message.",
            ),
            each(
                "A picture on the web",
                "When somebody gives its address. This server then fetches it, so the "
                "website sees this server and not the person.",
            ),
            each(
                "The list of a channel's newest images",
                f"When somebody types `{command}` without an address, to find the "
                "newest one, or mentions the bot below a picture.",
            ),
            each(
                "The words of a request",
                "Those after the command, or of the message that mentions the bot. "
                "They are searched for an address and for options, then dropped.",
            ),
            each(
                "Direct messages to the bot",
                "Slack hands over each one. Those that ask for nothing are dropped.",
            ),
            each(
                "Ids of person, channel, workspace and message",
                "With every request: Slack sends them so that the bot can answer.",
            ),
            each(
                "Whether one person is an admin",
                f"When that person types `{command} off` or `{command} on` in a "
                "channel.",
            ),
            each(
                "Whether one person is a bot",
                "When the newest image of a channel is looked for: of whoever posted "
                "it.",
            ),
        ),
        after=each(
            "For the last two Slack hands over that person's profile; the bot looks at "
            "the two answers and keeps nothing of it.",
            "The bot does not read other messages, the history of channels, e-mail "
            "addresses or lists of members. Most of that Slack would not let it read: "
            "the permissions that it has stand below.",
        ),
    )


def _faces(facts: SiteFacts) -> Section:
    if facts.reads_faces_here:
        where = (
            "Faces are found and read on this server, by models of the project's own. "
            "No picture and nothing about a face goes to anybody else; the result "
            "goes to Slack, where it was asked for."
        )
    else:
        where = _read_elsewhere(facts.face_backend)
    return Section(
        "faces",
        "Who reads the faces",
        paragraphs=each(
            where,
            "From each face the bot works out where it is, how it is tilted and "
            "what it seems to show. That is enough to choose an emoji and is then "
            "forgotten; the chosen emoji is all that is noted. An expression is not a "
            "feeling: the bot guesses, and says so when it is not sure.",
        ),
    )


def _read_elsewhere(service: str) -> str:
    return (
        f"This installation uses the face service “{service}”. Of each picture a copy,"
        " at most 1,920 pixels long and without the camera's notes on place and time,"
        " is sent to that service, which finds the faces and reads their expressions "
        "under its own terms. Where the service is down, the project's own models may"
        " read them on this server instead. What the service said of the latest "
        "pictures is used again for at most ten minutes, so that the same picture "
        "need not be sent twice, and lies in memory until the next picture after "
        "that; after a crash a picture may be sent again. The result goes to Slack, "
        "where it was asked for."
    )


def _kept(facts: SiteFacts) -> Section:
    command = facts.command
    return Section(
        "kept",
        "What is kept, and for how long",
        columns=each("What", "How long", "How, and what for"),
        rows=(
            each(
                "Pictures and results",
                "Seconds, until the job is done",
                "In memory only. The result is then a file in your Slack, and your "
                "workspace's rules apply to it.",
            ),
            each(
                "Log of posts",
                f"{facts.post_log_days} days",
                "Ids of file, channel and thread; who asked; title and description of "
                "the result; the emoji chosen; who deleted it, and when. For the "
                "buttons under a result.",
            ),
            each(
                "Records of jobs",
                f"{facts.job_days} days after the end",
                "The ids and options of a request, what the log of posts says, and how "
                "it ended. So that nothing is lost or posted twice when a server "
                "fails.",
            ),
            each(
                "Addresses",
                "As long as the log and the record that they belong to",
                "Those that people typed, and those where Slack takes an answer. "
                "Sealed: encrypted with a key that is not in the database.",
            ),
            each(
                "The bot's token",
                "Until it is uninstalled",
                "Slack's key for the bot to your workspace. Encrypted in the same way.",
            ),
            each(
                "The workspace",
                "Until it is uninstalled",
                "Ids and names of workspace and organisation, who installed the bot, "
                "and what it was allowed.",
            ),
            each(
                "Opt-outs",
                f"Until the person types `{command} opt in` in the workspace where "
                "they opted out, or the bot is uninstalled there",
                "Ids of person and workspace, and when. So that their pictures are "
                "left alone, in other workspaces too.",
            ),
            each(
                "Channels where it is switched off",
                f"Until an admin types `{command} on`, or it is uninstalled",
                "Ids of channel and workspace, who switched it off, and when.",
            ),
            each(
                "How much is asked for",
                "A minute for a person, a day for a workspace, then until somebody "
                "asks for a picture next",
                "Ids of person and workspace, and one time for each limit: when it is "
                "there in full again. No list of requests.",
            ),
            each(
                "An installation under way",
                f"{facts.state_minutes} minutes",
                "A number in the database, and a cookie in the browser. These pages "
                "set no other cookie, count nobody and load nothing from elsewhere.",
            ),
            each(
                "Answers to Slack",
                "Ten minutes, then until the next request",
                "What the bot answered to a request, and a hash of it. In memory only, "
                "so that nothing is done twice when the same request comes again.",
            ),
            each(
                "Network addresses of those who open these pages",
                "About two minutes after the last visit, then until anybody's next",
                "In memory only, with how often it asked. So that nobody keeps others "
                "from these pages.",
            ),
            each(
                "The server's own log",
                "As the person who runs this server decides",
                "Ids, when something was done, and what failed. Never a picture, an "
                "address, a message or a token.",
            ),
        ),
    )


def _never() -> Section:
    return Section(
        "never",
        "What is never done",
        items=each(
            "Nobody is identified, and no face is compared with another one.",
            "The bot uses no picture to train a model.",
            "Nothing is sold, and nothing is shown to advertisers.",
        ),
    )


def _allowed(scopes: Sequence[Scope]) -> Section:
    return Section(
        "permissions",
        "What the bot may do in your workspace",
        paragraphs=each(
            "Slack shows these permissions when you add the bot, and each has one "
            "purpose.",
        ),
        columns=each("Permission", "So that it can"),
        rows=tuple(
            (f"`{one.name}`", one.why + (" (optional)" if one.optional else ""))
            for one in scopes
        ),
    )


def _people(facts: SiteFacts) -> Section:
    return Section(
        "people",
        "If you are in a picture",
        paragraphs=each(
            "Everybody in a conversation may press *Delete* under a result there. "
            "Whoever asked for it deletes it at once, anybody else after a question. "
            f"Who did it is noted for {facts.post_log_days} days.",
            f"If pictures that you post should be left alone, type "
            f"`{facts.command} opt out`, or mention the bot with these two words. It "
            "then takes no file that you uploaded and no picture from a message of "
            "yours, whoever asks and however. Who asks is told, alone, that whoever "
            "posted the picture does not want it. A picture that somebody copied and "
            "posted anew the bot cannot recognise.",
            f"An admin, or whoever added the bot, switches it off in a channel with "
            f"`{facts.command} off`.",
        ),
    )


def _leaving() -> Section:
    return Section(
        "delete",
        "How to delete everything",
        paragraphs=each(
            "In Slack, an admin opens the workspace's app management, chooses "
            "Emojifier Bot and removes it. The bot then deletes its token, the entry "
            "of the workspace, the whole log of posts, opt-outs, channels and limits, "
            "and all records of jobs, at once.",
            "Results are files in your workspace. They stay there until somebody "
            "deletes them, like any other file.",
            "If you want records deleted sooner, or to see all that is kept about your "
            "workspace, ask the person who runs this server; there is a command for "
            "either.",
        ),
    )


def privacy_markdown(facts: SiteFacts, scopes: Sequence[Scope]) -> str:
    """Return the same as Markdown, for the docs, with what else a page may say."""
    return "".join(
        f"\n## {section.title}\n{''.join(_blocks(section))}"
        for section in privacy_sections(facts, scopes)
    ) + (
        "\n## With a hosted back end\n\nWhere `FACE_BACKEND` names a service, the page "
        "says of who reads the faces instead:\n\n> "
        f"{_read_elsewhere('Amazon Rekognition')}\n"
    )


def _blocks(section: Section) -> Iterator[str]:
    for paragraph in section.paragraphs:
        yield f"\n{paragraph}\n"
    if section.items:
        yield "\n" + "".join(f"- {item}\n" for item in section.items)
    if section.rows:
        lines = [section.columns, ("---",) * len(section.columns), *section.rows]
        yield "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)
    for paragraph in section.after:
        yield f"\n{paragraph}\n"
