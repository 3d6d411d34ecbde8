"""Sentences about what the bot was granted, and about adding it to Slack."""

from __future__ import annotations

from emojifier_bot.slack.reply import Reply

#: What the app was, or is no longer, allowed to do.
INSTALLATION = {
    "missing_scope": Reply(
        "I lack a permission for this.",
        "Ask an admin to reinstall me; the page on which they do so lists what I need.",
    ),
    "no_permission": Reply(
        "I may not do this in that conversation.",
        "Make sure that I am a member of it: `/invite @emojifier`.",
    ),
    "access_denied": Reply(
        "Slack denied me access.",
        "Ask an admin whether my access was taken back.",
    ),
    "invalid_auth": Reply(
        "Slack no longer accepts my key to this workspace.",
        "Ask an admin to add me to the workspace again.",
    ),
    "token_expired": Reply(
        "My key to this workspace has run out, and was not renewed in time.",
        "Please try once more; if that fails, ask an admin to reinstall me.",
    ),
    "account_inactive": Reply(
        "My account in this workspace has been switched off.",
        "Ask an admin to switch it on, or to install me again.",
    ),
    "not_allowed_token_type": Reply(
        "I was given a key that does not fit this door.",
        "Tell the person who runs me: a bot token is needed, `xoxb-…`.",
    ),
    "accesslimited": Reply(
        "This workspace does not answer to the network that I run on.",
        "Ask an admin to let my address in.",
    ),
    "ekm_access_denied": Reply(
        "The admins have suspended posting in this conversation.",
        "Ask them when it will be possible again.",
    ),
    "enterprise_is_restricted": Reply(
        "Your organisation does not let apps do this.",
        "Ask the organisation's admins to approve me.",
    ),
    "two_factor_setup_required": Reply(
        "This workspace asks for two-factor sign-in to be set up first.",
        "Ask the admin who installed me to set it up.",
    ),
    "org_login_required": Reply(
        "This workspace is just moving into a larger organisation.",
        "Ask me again when the move is over.",
    ),
    "team_added_to_org": Reply(
        "This workspace is joining an organisation, and answers only now and then.",
        "Try again in an hour or so.",
        retryable=True,
    ),
    "team_not_found": Reply(
        "Slack does not know which of your organisation's workspaces this is.",
        "Ask an admin to add me to this very workspace.",
    ),
}

#: Codes of *Add to Slack* and of renewing tokens; an admin reads them.
OAUTH = {
    "bad_client_secret": Reply(
        "The app's client secret is wrong.",
        "Copy `SLACK_CLIENT_SECRET` again from the app's page *Basic Information*.",
    ),
    "invalid_client_id": Reply(
        "The app's client ID is wrong.",
        "Copy `SLACK_CLIENT_ID` again from the app's page *Basic Information*.",
    ),
    "bad_redirect_uri": Reply(
        "Slack does not know the address that it was to come back to.",
        "Enter `PUBLIC_URL` with `/slack/oauth_redirect` among the app's redirect "
        "URLs.",
    ),
    "invalid_code": Reply(
        "This attempt to add me took too long, or was used before.",
        "Begin again with *Add to Slack*.",
    ),
    "invalid_refresh_token": Reply(
        "The key that renews my key is no longer good.",
        "Ask an admin to add me again with *Add to Slack*.",
    ),
    "no_scopes": Reply(
        "No permissions were asked for.",
        "Tell the person who runs me to check the app's manifest.",
    ),
    "cannot_install_an_org_installed_app": Reply(
        "The whole organisation has me already.",
        "Ask its admins to add this workspace.",
    ),
    "user_email_unverified": Reply(
        "Your e-mail address is not confirmed yet.",
        "Confirm it in Slack's mail to you, then add me again.",
    ),
    "preview_feature_not_available": Reply(
        "Slack does not offer this to your workspace yet.",
        "Ask an admin whether the plan includes it.",
    ),
}
