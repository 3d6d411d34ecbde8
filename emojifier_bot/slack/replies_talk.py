"""Sentences of the conversation: acknowledgements, refusals at once, buttons, help."""

from __future__ import annotations

from emojifier_bot.slack.reply import Reply

#: Acknowledgements stay on the asker's screen, so they must be true afterwards too.
TALK = {
    "accepted": Reply(
        "Got it! 👀",
        "The result gets posted in this conversation. If anything goes wrong, I tell "
        "only you.",
    ),
    "accepted_private": Reply(
        "Got it, between us! 👀",
        "A private result goes to your direct messages with me, and nobody else sees "
        "it.",
    ),
    "help": Reply(
        "*I put an emoji over every face in a picture, matched to its expression.*\n"
        "• `/emojify` takes the newest picture in this channel.\n"
        "• `/emojify https://…` takes the picture at that address.\n"
        "• *Emojify faces*, in a message's “More actions” menu, takes that message's "
        "pictures. It works in threads too.\n"
        "• Mention me with a picture, or below one.\n"
        "• Send me a picture in a direct message.",
        "After the command you can add the name of a theme ({themes}), `surprise` for "
        "a bolder choice of emoji, and `private` to get the result in your direct "
        "messages with me. Below a result, *Try another* draws it anew for whoever "
        "asked, and everybody may *Delete* it.\n"
        "Not your pictures? `/emojify opt out` makes me leave those that you post "
        "alone. Not in this channel? An admin of the workspace types `/emojify off`.",
    ),
    "no_image": Reply(
        "I looked for a picture there and found none.",
        "Post one and try again, or give me its address: `/emojify https://…`. In a "
        "private channel I see nothing until you type `/invite @emojifier`.",
    ),
    "several_addresses": Reply(
        "That is more than one address, and I take one at a time.",
        "Use `/emojify` once for each picture.",
    ),
    "not_a_url": Reply(
        "“{word}” does not look like a whole web address.",
        "Copy the address of the picture itself; it begins with `https://`.",
    ),
    "unknown_option": Reply(
        "I do not know the word “{word}”.",
        "Type `/emojify help` to see all that I understand.",
    ),
    "unknown_option_guess": Reply(
        "I do not know the word “{word}”.",
        "Did you mean `{guess}`? Type `/emojify help` to see all that I understand.",
    ),
    "queue_full": Reply(
        "So many pictures are waiting that I cannot take another one just now.",
        "Please ask again in a few minutes.",
    ),
    "queue": Reply(
        "I cannot reach my own to-do list, so your picture is not on it.",
        "Please ask again in a minute.",
    ),
    "busy": Reply(
        "I have my hands full this very moment, and did not get to this.",
        "Please press the button again in a minute.",
    ),
    "not_asker": Reply(
        "*Try another* works only for the person who asked for this picture.",
        "Want a version of your own? Use *Emojify faces* on the original picture.",
    ),
    "confirm_delete": Reply(
        "Somebody else asked for this picture. Deleting it removes it for everyone, "
        "and I keep a note for 30 days that it was you.",
        "If you are in it, or have another good reason, go ahead.",
    ),
    "post_deleted": Reply(
        "Done: the picture is deleted.",
        "If you ever want a new one, just ask again.",
    ),
    "post_gone": Reply(
        "This picture is gone already.",
        "There is nothing left to do; for a new one, ask with `/emojify`.",
    ),
    "post_forgotten": Reply(
        "I no longer know this picture: I forget where my pictures are after 30 days.",
        "An admin can delete it: “More actions”, then “Delete”. For a new one, use "
        "*Emojify faces* on the original.",
    ),
    "posted": Reply(
        "Your picture is ready.",
        "You find it in the conversation where results were to go.",
    ),
    "removed": Reply(
        "Your picture was posted, and somebody deleted it right away.",
        "If you still want it, ask again with `private`.",
    ),
    "cancelled": Reply(
        "Whoever runs me has stopped my work on your picture. If it is not here by "
        "now, it will not come.",
        "Ask them why; you may also ask me for it again.",
    ),
    "not_shown": Reply(
        "Slack took your picture, but did not show it to anybody.",
        "Please ask again. If it happens twice, send the picture to me directly.",
    ),
    "not_installed": Reply(
        "I am not installed in this workspace, or no longer.",
        "Ask an admin of the workspace to add me again.",
    ),
    "error": Reply(
        "Something went wrong on my side; it is not your picture's fault.",
        "Please try once more. If it happens again, tell the person who runs me.",
    ),
    "database": Reply(
        "I lost touch with my notes while I worked on your picture.",
        "Please ask again in a few minutes.",
    ),
    "vault": Reply(
        "I can no longer open the address that I noted for this picture.",
        "Please give it to me once more.",
    ),
    "store": Reply(same_as="database"),
    "unexpected": Reply(same_as="error"),
    "config": Reply(same_as="error"),
    "output": Reply(same_as="error"),
    "unknown_code": Reply(
        "Slack refused with a word that is new to me: `{code}`.",
        "Please try again later. If it stays, tell this word to the person who runs "
        "me.",
    ),
}
