"""Sentences for every code of Slack's that a method in use may answer."""

from __future__ import annotations

from emojifier_bot.slack.replies_install import INSTALLATION, OAUTH
from emojifier_bot.slack.reply import Reply, same

#: Where results may not go.
PLACES = {
    "channel_not_found": Reply(
        "I cannot see this conversation; it is probably private.",
        "In a private channel type `/invite @emojifier`, then ask again. Anywhere else "
        "add `private`, and the result comes to you alone.",
    ),
    "invalid_channel": Reply(
        "Slack does not know the conversation in which you asked.",
        "Ask again in another one, or send me the picture in a direct message.",
    ),
    "not_in_channel": Reply(
        "I am not in this channel, and may not join it by myself.",
        "Type `/invite @emojifier` here, then ask again.",
    ),
    "method_not_supported_for_channel_type": Reply(
        "In a conversation of this kind I cannot post.",
        "Ask in a channel, or send me the picture in a direct message.",
    ),
    "channel_is_limited_access": Reply(
        "Access to this channel is limited, and I am not on its list.",
        "Ask somebody who looks after the channel, or use another one.",
    ),
    "is_archived": Reply(
        "This channel is archived, so nothing can be posted in it.",
        "Ask in another channel.",
    ),
    "too_many_members": Reply(
        "This channel is full; not even a bot fits in.",
        "Add `private`, and the result comes to your direct messages with me.",
    ),
    "posting_to_channel_denied": Reply(
        "I am not allowed to post in this channel.",
        "Use another channel, or ask an admin to let apps post here.",
    ),
    "restricted_action": Reply(
        "The settings of this workspace keep me from posting here.",
        "Ask an admin, or send me the picture in a direct message.",
    ),
    "restricted_action_read_only_channel": Reply(
        "This channel is for reading only.",
        "Ask in a channel in which everybody may post.",
    ),
    "restricted_action_thread_only_channel": Reply(
        "In this channel one can only answer in threads.",
        "Use *Emojify faces* on a message in a thread.",
    ),
    "restricted_action_non_threadable_channel": Reply(
        "In this channel there are no threads to answer in.",
        "Ask in the channel itself, with `/emojify`.",
    ),
    "restricted_action_thread_locked": Reply(
        "An admin has closed that thread for further answers.",
        "Ask in the channel itself, or in another thread.",
    ),
    "cannot_reply_to_message": Reply(
        "That message can have no answers below it.",
        "Post the picture in a message of its own, and try that one.",
    ),
    "external_channel_migrating": Reply(
        "This shared channel is just being moved by Slack.",
        "Try again in an hour or so.",
    ),
    "messages_tab_disabled": Reply(
        "Direct messages with me are switched off.",
        "Ask in a channel, or tell the person who runs me to switch them on.",
    ),
    "message_limit_exceeded": Reply(
        "This workspace has used up the messages that Slack grants it.",
        "Ask an admin what the plan allows, and try again later.",
    ),
}

#: Who may not be written to.
PEOPLE = {
    "user_not_in_channel": Reply(
        "Slack says that you are not in the channel to which I was to answer.",
        "Join it and ask again.",
    ),
    "user_not_found": Reply(
        "Slack does not know the person who asked.",
        "Please ask again from an account of this workspace.",
    ),
    "user_disabled": Reply(
        "The account that asked has been deactivated.",
        "Ask again from one that is active.",
    ),
    "user_not_visible": Reply(
        "Slack does not let me see the account that asked.",
        "Ask an admin whether guests may use apps here.",
    ),
    "invalid_user_combination": Reply(
        "You and I share no channel yet, so I cannot send you a direct message.",
        "Ask in a channel that both of us are in.",
    ),
    "app_access_restricted": Reply(
        "In this workspace you are not on the list of people who may use me.",
        "Ask an admin to put you on it.",
    ),
}

#: What the workspace allows to be uploaded, kept and deleted.
FILES = {
    "file_uploads_disabled": Reply(
        "Uploading files is switched off in this workspace, so I cannot post the "
        "result.",
        "Ask an admin to allow uploads.",
    ),
    "file_uploads_except_images_disabled": Reply(
        "This workspace takes only images, and did not recognise the result as one.",
        "Send your picture as a JPEG or PNG.",
    ),
    "file_type_not_allowed": Reply(
        "Files of this type may not be uploaded to this workspace.",
        "Send your picture in another format; JPEG is the most welcome.",
    ),
    "file_upload_size_restricted": Reply(
        "The result is larger than this workspace lets anybody upload.",
        "Send a smaller picture.",
    ),
    "storage_limit_reached": Reply(
        "This workspace has no room left for files.",
        "Delete some old files, or ask an admin for more room.",
    ),
    "alt_txt_too_large": Reply(
        "There are more faces in this picture than its description has room for.",
        "Try a part of the picture.",
    ),
    "upload_failed": Reply(
        "Slack did not take the result.",
        "Please ask again. If it happens twice, tell the person who runs me.",
    ),
    "file_update_failed": Reply(
        "Slack stumbled while it put the result into the channel.",
        "Please ask again in a minute.",
        retryable=True,
    ),
    "file_not_found": Reply(
        "Slack no longer knows the file.",
        "Ask again for a new one.",
    ),
    "file_deleted": Reply(
        "The file was deleted in the meantime.",
        "If you still need it, upload it again or ask for a new one.",
    ),
    "not_visible": Reply(
        "I am not allowed to see that file.",
        "Post it in a conversation that I am in.",
    ),
    "cant_delete_file": Reply(
        "Slack does not let me delete this picture.",
        "Ask an admin to delete it: “More actions”, then “Delete”.",
    ),
    "file_deleting_disabled": Reply(
        "Deleting files is switched off in this workspace.",
        "Ask an admin to delete the picture for you.",
    ),
    "delete_not_allowed": Reply(
        "This file is of a kind that nobody may delete.",
        "Ask an admin what else can be done.",
    ),
    "slack_connect_file_link_sharing_blocked": Reply(
        "An admin has switched off files in channels that are shared with others.",
        "Ask in a channel of your own organisation.",
    ),
}

#: Slack, or the way to it, has a bad day.
WEATHER = {
    "ratelimited": Reply(
        "Slack asked me to slow down.",
        "Please ask again in a few minutes.",
        retryable=True,
    ),
    "slack_unreachable": Reply(
        "Slack did not answer me.",
        "Please ask again in a few minutes.",
        retryable=True,
    ),
    "service_unavailable": Reply(
        "This part of Slack is out of order for the moment.",
        "Look at <https://slack-status.com|Slack's status page>, and ask again later.",
        retryable=True,
    ),
    "internal_error": Reply(
        "Slack had trouble of its own with this.",
        "Please ask again in a few minutes.",
        retryable=True,
    ),
    "request_timeout": Reply(
        "What I sent got lost on its way to Slack.",
        "Please ask again in a minute.",
        retryable=True,
    ),
    "delivery": Reply(
        "Slack did not let me deliver the result.",
        "Please try again, or ask in another channel.",
    ),
}

#: Windows that open after a press, and buttons.
WINDOWS = {
    "expired_trigger_id": Reply(
        "That took me too long, and Slack no longer lets me open a window.",
        "Please press the button again.",
    ),
    "exchanged_trigger_id": Reply(
        "The window for this press was opened already.",
        "Close it and press again if you still want to.",
    ),
    "invalid_trigger_id": Reply(
        "Slack did not recognise your press of the button.",
        "Reload Slack and press it again.",
    ),
    "not_enabled": Reply(
        "My home page in Slack is switched off.",
        "Type `/emojify help` for what stands on it.",
    ),
    "invalid_blocks": Reply(
        "Slack did not like the form of my message.",
        "Please tell the person who runs me; sending it again will not help.",
    ),
    "msg_too_long": Reply(
        "My message came out too long for Slack.",
        "Try a picture with fewer faces.",
    ),
}

#: Reactions: the sign that a message was seen. Who asked hardly ever reads of them.
REACTIONS = {
    "message_not_found": Reply(
        "The message that you asked in is gone.",
        "Ask again in a new one.",
    ),
    "already_reacted": Reply(
        "I have marked your message as seen before.",
        "Just wait; the result is on its way.",
    ),
    "no_reaction": Reply(
        "The mark on your message is gone already.",
        "There is nothing to do.",
    ),
    "too_many_reactions": Reply(
        "Your message has so many reactions that mine did not fit.",
        "Just wait; I saw it all the same.",
    ),
    "thread_locked": Reply(
        "That thread is closed, so I could not mark your message as seen.",
        "Ask in the channel itself.",
    ),
    "no_access": Reply(
        "I could not mark your message as seen: I may not enter there.",
        "Type `/invite @emojifier`, then mention me again.",
    ),
}

#: Mistakes in how a method was called: the bot's own, whoever reads of them.
MISTAKES = {
    "invalid_arguments": Reply(
        "I said something to Slack that it did not understand.",
        "That is a mistake in me: please tell the person who runs me.",
    ),
    "unknown_method": Reply(
        "Slack has taken away something that I rely on.",
        "Please tell the person who runs me: it is time for a newer version.",
    ),
}

SAME = same(
    {
        "cannot_reply_to_message": "not_reactable",
        "no_permission": "as_user_not_supported send_on_behalf_not_allowed",
        "user_not_found": "users_list_not_supplied not_enough_users too_many_users",
        "file_not_found": "file_comment_not_found template_not_visible "
        "missing_file_data",
        "slack_connect_file_link_sharing_blocked": "canvas_disabled_file_team "
        "canvas_disabled_user_team canvas_globally_disabled "
        "slack_connect_canvas_sharing_blocked slack_connect_lists_sharing_blocked",
        "invalid_auth": "not_authed token_revoked",
        "not_allowed_token_type": "is_bot",
        "ratelimited": "rate_limited",
        "slack_unreachable": "slack_unavailable",
        "internal_error": "fatal_error",
        "too_many_reactions": "too_many_emoji",
        "message_not_found": "bad_timestamp no_item_specified "
        "duplicate_message_not_found",
        "channel_not_found": "duplicate_channel_not_found",
        "invalid_blocks": "invalid_blocks_format invalid_attachments view_too_large "
        "duplicate_external_id hash_conflict",
        "msg_too_long": "msg_blocks_too_long attachment_payload_limit_exceeded "
        "too_many_attachments too_many_contact_cards",
        "not_enabled": "not_implemented missing_profile_id",
        "bad_redirect_uri": "oauth_authorization_url_mismatch",
        "invalid_code": "invalid_code_verifier pkce_not_allowed",
        "unknown_method": "method_deprecated deprecated_endpoint",
        "invalid_arguments": "invalid_arg_name invalid_array_arg invalid_charset "
        "invalid_form_data invalid_post_type missing_post_type missing_argument "
        "invalid_name invalid_grant_type unknown_type unknown_subtype "
        "unknown_snippet_type snippet_too_large no_text markdown_text_conflict "
        "channels_limit_exceeded invalid_metadata_format invalid_metadata_schema "
        "metadata_must_be_sent_from_app metadata_too_large draft_already_deleted "
        "draft_already_sent draft_has_conflict draft_not_found",
    }
)

SLACK_CODES = {
    **PLACES,
    **PEOPLE,
    **FILES,
    **INSTALLATION,
    **WEATHER,
    **WINDOWS,
    **REACTIONS,
    **OAUTH,
    **MISTAKES,
    **SAME,
}
