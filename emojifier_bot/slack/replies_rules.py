"""Sentences about what is not wanted, and about too much of what is."""

from __future__ import annotations

from emojifier_bot.slack.reply import Reply

RULES = {
    "user_limit": Reply(
        "You are quick! From one person I take {pictures} pictures in a minute.",
        "Please ask again in {wait} for what I have not taken.",
    ),
    "workspace_hour_limit": Reply(
        "Your workspace has had its {pictures} pictures for this hour.",
        "Please ask again in {wait}.",
    ),
    "workspace_day_limit": Reply(
        "Your workspace has had its {pictures} pictures for today.",
        "Please ask again in {wait}, or ask the person who runs me for more.",
    ),
    "channel_off": Reply(
        "I am switched off in this channel.",
        "Use another channel, or send me the picture in a direct message. An admin of "
        "the workspace switches me on again with `/emojify on`.",
    ),
    "channel_switched_off": Reply(
        "Done: in this channel I am switched off, for everybody.",
        "Results that are here stay, and everybody may still delete them. To switch me "
        "on again, type `/emojify on`.",
    ),
    "channel_switched_on": Reply(
        "Done: in this channel I am switched on.",
        "Try me with `/emojify`; `/emojify off` switches me off.",
    ),
    "channel_off_elsewhere": Reply(
        "For your workspace I am switched on here. Another one that shares this "
        "channel still has me switched off.",
        "Ask its admins.",
    ),
    "channel_only": Reply(
        "Only in a channel can I be switched on or off, and this is none.",
        "Type it in the channel that you mean. To keep me from pictures that you post, "
        "type `/emojify opt out`.",
    ),
    "not_admin": Reply(
        "Only an admin of this workspace, or whoever added me, may switch me on or off "
        "in a channel.",
        "Ask one of them. What you may always do is `/emojify opt out`: then I leave "
        "the pictures that you post alone.",
    ),
    "admin_unknown": Reply(
        "I may not see who is an admin in this workspace.",
        "Ask whoever added me to do this, or have an admin add me again, with the "
        "permission to see that.",
    ),
    "opted_out": Reply(
        "Whoever posted this picture does not want it emojified.",
        "Please choose another one. If it was you: `/emojify opt in` changes that.",
    ),
    "opted_out_now": Reply(
        "Understood: I leave the pictures that you post alone, whoever asks me.",
        "Results that are there already you may *Delete*. `/emojify opt in` undoes "
        "this.",
    ),
    "opted_in_now": Reply(
        "Understood: your pictures may be emojified.",
        "If you change your mind, type `/emojify opt out`.",
    ),
    "opted_out_elsewhere": Reply(
        "For this workspace you are opted in again. In another one you said that your "
        "pictures are to be left alone, so I still leave them alone everywhere.",
        "Type `/emojify opt in` there too.",
    ),
    "order_alone": Reply(
        "“{word}” I only understand by itself.",
        "Type `/emojify {word}`, with nothing else.",
    ),
}
