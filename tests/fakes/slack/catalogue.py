"""What Slack's methods take and how they refuse: names and codes, as facts.

A test compares the tables with Slack's own reference wherever that lies at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_COMMON = """
    access_denied accesslimited account_inactive deprecated_endpoint
    ekm_access_denied enterprise_is_restricted fatal_error invalid_arg_name
    invalid_array_arg invalid_charset invalid_form_data invalid_post_type is_bot
    method_deprecated missing_post_type missing_scope no_permission
    not_allowed_token_type not_authed org_login_required ratelimited request_timeout
    service_unavailable team_added_to_org token_expired token_revoked
    two_factor_setup_required unknown_method
"""
#: Every method may answer these, and its list says so.
COMMON_CODES = frozenset(_COMMON.split())

#: Every method may answer these, whether its own list says so or not.
EVERYWHERE_CODES = frozenset({"internal_error", "invalid_arguments", "invalid_auth"})
#: Methods that are called without a token.
OPEN_METHODS = frozenset({"oauth.v2.access"})
#: Methods that Slack's reference in our hands leaves out; nothing to compare with.
NOT_IN_REFERENCE = frozenset({"reactions.add", "reactions.remove"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a method."""

    name: str
    #: ``"str"``, ``"int"``, ``"bool"`` or ``"json"``.
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Method:
    """What one method takes and answers."""

    name: str
    #: A bot token needs one of these; empty for none.
    scopes: frozenset[str]
    arguments: Mapping[str, Argument]
    #: Every code of its list.
    codes: frozenset[str]
    reads_json: bool

    @property
    def required(self) -> frozenset[str]:
        """Return the names of the arguments that must be there."""
        return frozenset(one.name for one in self.arguments.values() if one.required)


def _method(
    name: str, *, scopes: str, arguments: str, codes: str, reads_json: bool = False
) -> Method:
    parts = [_argument(word) for word in arguments.split()]
    return Method(
        name=name,
        scopes=frozenset(scopes.split()),
        arguments={part.name: part for part in parts},
        codes=COMMON_CODES | frozenset(codes.split()),
        reads_json=reads_json,
    )


def _argument(word: str) -> Argument:
    # "name", "name*" for a required one, "name:kind" for another kind than text.
    name, _, kind = word.partition(":")
    return Argument(name.removesuffix("*"), kind or "str", name.endswith("*"))


_TABLE = (
    _method(
        "auth.test",
        scopes="",
        arguments="",
        codes="internal_error invalid_auth",
        reads_json=True,
    ),
    _method(
        "conversations.info",
        scopes="channels:read groups:read im:read mpim:read",
        arguments="channel* include_locale:bool include_num_members:bool",
        codes="channel_is_limited_access channel_not_found",
    ),
    _method(
        "conversations.join",
        scopes="channels:join",
        arguments="channel*",
        codes="""
            channel_is_limited_access channel_not_found is_archived
            method_not_supported_for_channel_type too_many_members
        """,
        reads_json=True,
    ),
    _method(
        "conversations.open",
        scopes="channels:manage groups:write im:write mpim:write",
        arguments="channel return_im:bool users prevent_creation:bool",
        codes="""
            channel_not_found invalid_user_combination
            method_not_supported_for_channel_type not_enough_users too_many_users
            user_disabled user_not_found user_not_visible users_list_not_supplied
        """,
        reads_json=True,
    ),
    _method(
        "files.list",
        scopes="files:read",
        arguments="""
            channel count:int page:int show_files_hidden_by_limit:bool team_id
            ts_from ts_to types user
        """,
        codes="""
            missing_argument slack_connect_canvas_sharing_blocked unknown_type
            user_not_found
        """,
    ),
    _method(
        "files.info",
        scopes="files:read",
        arguments="count:int cursor file* limit:int page:int",
        codes="""
            canvas_disabled_file_team canvas_disabled_user_team
            canvas_globally_disabled file_deleted file_not_found not_visible
            slack_connect_canvas_sharing_blocked template_not_visible
        """,
    ),
    _method(
        "files.getUploadURLExternal",
        scopes="files:write",
        arguments="length*:int filename* snippet_type alt_txt",
        codes="""
            alt_txt_too_large file_type_not_allowed file_upload_size_restricted
            file_uploads_disabled file_uploads_except_images_disabled
            missing_argument snippet_too_large storage_limit_reached
            unknown_snippet_type unknown_subtype
        """,
    ),
    _method(
        "files.completeUploadExternal",
        scopes="files:write",
        arguments="""
            files*:json channel_id thread_ts channels initial_comment blocks:json
            username icon_url icon_emoji
        """,
        codes="""
            channel_not_found channels_limit_exceeded file_not_found
            file_type_not_allowed file_update_failed
            file_uploads_except_images_disabled invalid_blocks invalid_channel
            not_in_channel posting_to_channel_denied
        """,
        reads_json=True,
    ),
    _method(
        "files.delete",
        scopes="files:write",
        arguments="file*",
        codes="""
            cant_delete_file delete_not_allowed file_deleted file_deleting_disabled
            file_not_found
        """,
        reads_json=True,
    ),
    _method(
        "chat.postMessage",
        scopes="chat:write",
        arguments="""
            as_user:bool attachments:json blocks:json channel*
            current_draft_last_updated_ts icon_emoji icon_url link_names:bool
            markdown_text metadata:json mrkdwn:bool parse reply_broadcast:bool text
            thread_ts unfurl_links:bool unfurl_media:bool username
        """,
        codes="""
            app_access_restricted as_user_not_supported
            attachment_payload_limit_exceeded cannot_reply_to_message
            channel_not_found draft_already_deleted draft_already_sent
            draft_has_conflict draft_not_found duplicate_channel_not_found
            duplicate_message_not_found invalid_blocks invalid_blocks_format
            invalid_metadata_format invalid_metadata_schema is_archived
            markdown_text_conflict message_limit_exceeded messages_tab_disabled
            metadata_must_be_sent_from_app metadata_too_large missing_file_data
            msg_blocks_too_long no_text not_in_channel rate_limited
            restricted_action restricted_action_non_threadable_channel
            restricted_action_read_only_channel restricted_action_thread_locked
            restricted_action_thread_only_channel send_on_behalf_not_allowed
            slack_connect_canvas_sharing_blocked
            slack_connect_file_link_sharing_blocked
            slack_connect_lists_sharing_blocked team_not_found too_many_attachments
            too_many_contact_cards
        """,
        reads_json=True,
    ),
    _method(
        "chat.postEphemeral",
        scopes="chat:write",
        arguments="""
            as_user:bool attachments:json blocks:json channel* icon_emoji icon_url
            link_names:bool markdown_text metadata:json parse text thread_ts user*
            username
        """,
        codes="""
            cannot_reply_to_message channel_not_found invalid_attachments
            invalid_blocks invalid_blocks_format is_archived markdown_text_conflict
            message_limit_exceeded messages_tab_disabled msg_too_long no_text
            not_in_channel restricted_action too_many_attachments
            user_not_in_channel
        """,
        reads_json=True,
    ),
    _method(
        "chat.update",
        scopes="chat:write",
        arguments="""
            as_user:bool attachments:json unfurled_attachments:json blocks:json
            markdown_text metadata:json channel* link_names:bool parse text ts*
            reply_broadcast:bool file_ids:json
        """,
        codes="""
            as_user_not_supported block_mismatch blocked_file_type
            cant_broadcast_message cant_update_message channel_not_found
            edit_window_closed external_channel_migrating file_deleted
            file_is_deleted file_not_found file_share_limit_reached
            invalid_attachments invalid_blocks invalid_blocks_format
            invalid_metadata_format invalid_metadata_schema is_inactive
            markdown_text_conflict max_file_sharing_exceeded message_limit_exceeded
            message_not_found metadata_must_be_sent_from_app metadata_too_large
            msg_too_long no_dual_broadcast_content_update no_text
            posting_to_channel_denied slack_connect_blocked_file_type
            slack_connect_canvas_sharing_blocked slack_connect_clip_sharing_blocked
            slack_connect_file_link_sharing_blocked
            slack_connect_file_upload_sharing_blocked streaming_state_conflict
            team_not_found too_many_attachments unable_to_share_files update_failed
        """,
        reads_json=True,
    ),
    _method(
        "chat.delete",
        scopes="chat:write",
        arguments="as_user:bool channel* ts*",
        codes="cant_delete_message channel_not_found message_not_found",
        reads_json=True,
    ),
    _method(
        "views.open",
        scopes="",
        arguments="trigger_id interactivity_pointer view*:json",
        codes="""
            duplicate_external_id exchanged_trigger_id expired_trigger_id
            invalid_trigger_id view_too_large
        """,
        reads_json=True,
    ),
    _method(
        "views.publish",
        scopes="",
        arguments="user_id* view*:json hash interactivity_pointer",
        codes="""
            duplicate_external_id hash_conflict missing_profile_id not_enabled
            not_implemented view_too_large
        """,
        reads_json=True,
    ),
    _method(
        "views.update",
        scopes="",
        arguments="view_id external_id view*:json hash",
        codes="duplicate_external_id hash_conflict not_found view_too_large",
        reads_json=True,
    ),
    _method(
        "oauth.v2.access",
        scopes="",
        arguments="""
            client_id client_secret code code_verifier redirect_uri grant_type
            refresh_token assertion
        """,
        codes="""
            bad_client_secret bad_redirect_uri cannot_install_an_org_installed_app
            invalid_client_id invalid_code invalid_code_verifier invalid_grant_type
            invalid_refresh_token no_scopes oauth_authorization_url_mismatch
            pkce_not_allowed preview_feature_not_available user_email_unverified
        """,
    ),
    _method(
        "auth.revoke",
        scopes="",
        arguments="test:bool",
        codes="internal_error not_bearer_token",
    ),
    _method(
        "apps.uninstall",
        scopes="",
        arguments="client_id* client_secret*",
        codes="""
            bad_client_secret client_id_token_mismatch internal_error
            invalid_client_id
        """,
    ),
    _method(
        "users.info",
        scopes="users:read",
        arguments="include_locale:bool user*",
        codes="too_many_users user_not_found user_not_visible",
    ),
    _method(
        "team.info",
        scopes="team:read",
        arguments="domain team",
        codes="""
            enterprise_not_found fail_to_get_teams_for_restricted_user missing_user
            org_not_found team_not_found team_not_on_enterprise user_not_found
        """,
        reads_json=True,
    ),
    _method(
        "emoji.list",
        scopes="emoji:read",
        arguments="include_categories:bool",
        codes="invalid_arguments unable_to_fetch_custom_emojis",
    ),
    _method(
        "reactions.add",
        scopes="reactions:write",
        arguments="channel* name* timestamp*",
        codes="""
            already_reacted bad_timestamp channel_not_found
            external_channel_migrating invalid_name is_archived message_not_found
            no_access no_item_specified not_reactable thread_locked too_many_emoji
            too_many_reactions
        """,
        reads_json=True,
    ),
    _method(
        "reactions.remove",
        scopes="reactions:write",
        arguments="channel file file_comment name* timestamp",
        codes="""
            bad_timestamp channel_not_found external_channel_migrating
            file_comment_not_found file_not_found invalid_name message_not_found
            no_access no_item_specified no_reaction thread_locked
        """,
        reads_json=True,
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _TABLE}


def codes(method: str) -> frozenset[str]:
    """Return every code that a method may answer."""
    return METHODS[method].codes | EVERYWHERE_CODES


def all_codes(*methods: str) -> frozenset[str]:
    """Return the codes of some methods, or of all of them where none is named."""
    return frozenset().union(*(codes(name) for name in methods or METHODS))
