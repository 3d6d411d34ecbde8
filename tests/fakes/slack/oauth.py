"""*Add to Slack*: the page that asks, the code, the tokens, and their end."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from tests.fakes.slack.access import Caller
from tests.fakes.slack.arguments import Refusal
from tests.fakes.slack.exchange import Reply, Request
from tests.fakes.slack.faults import PAGE
from tests.fakes.slack.state import Consent, Grant, SlackApp, Workspace
from tests.fakes.slack.world import World

CODE_SECONDS = 600.0


def authorize(world: World, request: Request) -> Reply:
    """Ask the user, who answers as the switches say, and go back to the app."""
    asked = request.params
    if wrong := _wrong(world.app, asked):
        world.problem("bad_authorize", "authorize", wrong)
        return Reply.html(PAGE.format(wrong), 400)
    back = {"state": asked["state"]} if "state" in asked else {}
    if world.switches.consent_denied:
        back["error"] = "access_denied"
    else:
        back["code"] = _consent(world, asked)
    address = asked.get("redirect_uri") or world.app.redirect_urls[0]
    joint = "&" if "?" in address else "?"
    return Reply.redirect(f"{address}{joint}{urlencode(back)}")


def _wrong(app: SlackApp, asked: dict[str, str]) -> str:
    scopes = _scopes(asked)
    if asked.get("client_id") != app.client_id:
        return "invalid_client_id"
    if not scopes:
        return "no_scopes"
    if not scopes <= set(app.scopes):
        return f"invalid_scope: {sorted(scopes - set(app.scopes))}"
    if not asked.get("state"):
        return "no state: anybody could send somebody here"
    address = asked.get("redirect_uri", "")
    known = address in app.redirect_urls or any(
        address.startswith(url.rstrip("/") + "/") for url in app.redirect_urls
    )
    lone = not address and len(app.redirect_urls) == 1
    return "" if known or lone else "bad_redirect_uri"


def _scopes(asked: dict[str, str]) -> set[str]:
    return set(asked.get("scope", "").replace(",", " ").split())


def _consent(world: World, asked: dict[str, str]) -> str:
    wanted = world.switches.consent_team_id or asked.get("team", "")
    workspace = world.workspaces.get(wanted) or next(iter(world.workspaces.values()))
    people = [
        one
        for one in world.users.values()
        if one.team_id == workspace.team_id and not one.is_bot
    ]
    somebody = people[0] if people else world.add_user(workspace, "admin")
    code = secrets.token_hex(16)
    world.consents[code] = Consent(
        workspace=workspace,
        org_wide=world.switches.consent_org_wide,
        scopes=sorted(_scopes(asked)),
        redirect_uri=asked.get("redirect_uri", ""),
        user_id=somebody.user_id,
        made_at=world.clock(),
    )
    return code


def access(caller: Caller) -> dict[str, Any]:
    """Exchange a code, or a refresh token, for a token."""
    app = caller.world.app
    client_id, secret = caller.basic or (
        caller.text("client_id"),
        caller.text("client_secret"),
    )
    if client_id != app.client_id:
        caller.problem("wrong_client", "client_id")
        raise Refusal("invalid_client_id")
    if secret != app.client_secret:
        caller.problem("wrong_client", "client_secret")
        raise Refusal("bad_client_secret")
    if caller.text("code_verifier"):
        raise Refusal("pkce_not_allowed")
    kind = caller.text("grant_type") or "authorization_code"
    if kind == "refresh_token":
        return _refresh(caller)
    if kind != "authorization_code":
        raise Refusal("invalid_grant_type")
    return _exchange(caller)


def _exchange(caller: Caller) -> dict[str, Any]:
    world = caller.world
    consent = world.consents.pop(caller.text("code"), None)
    if consent is None or world.clock() - consent.made_at > CODE_SECONDS:
        raise Refusal("invalid_code")
    if caller.text("redirect_uri") != consent.redirect_uri:
        caller.problem("bad_redirect_uri", "differs from the one that was asked with")
        raise Refusal("bad_redirect_uri")
    grant = _granted(world, consent)
    user = {"id": consent.user_id}
    return _token_json(world, grant, consent.workspace) | {"authed_user": user}


def _granted(world: World, consent: Consent) -> Grant:
    # Installing again gives the same token, unless tokens rotate.
    team_id = "" if consent.org_wide else consent.workspace.team_id
    for grant in world.grants.values():
        same = grant.covers(consent.workspace) and grant.team_id == team_id
        if same and not grant.dead and not world.app.token_rotation:
            grant.scopes.update(consent.scopes)
            return grant
    return world.install(consent.workspace, consent.scopes, org_wide=consent.org_wide)


def _refresh(caller: Caller) -> dict[str, Any]:
    world, spent = caller.world, caller.text("refresh_token")
    old = next((g for g in world.grants.values() if g.refresh_token == spent), None)
    if old is None or not spent or old.dead:
        raise Refusal("invalid_refresh_token")
    workspace = next(w for w in world.workspaces.values() if old.covers(w))
    # A refresh token is good once; the access token lives on until it expires.
    old.refresh_token = ""
    new = world.install(workspace, old.scopes, org_wide=old.is_org)
    return _token_json(world, new, workspace)


def _token_json(world: World, grant: Grant, workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "app_id": world.app.app_id,
        "token_type": "bot",
        "access_token": grant.token,
        "scope": ",".join(sorted(grant.scopes)),
        "bot_user_id": grant.bot_user_id,
        "is_enterprise_install": grant.is_org,
        "team": None,
        "enterprise": None,
    }
    if not grant.is_org:
        found["team"] = {"id": workspace.team_id, "name": workspace.name}
    if workspace.enterprise_id:
        name = workspace.enterprise_name
        found["enterprise"] = {"id": workspace.enterprise_id, "name": name}
    if grant.expires_at is not None:
        found["refresh_token"] = grant.refresh_token
        found["expires_in"] = int(grant.expires_at - world.clock())
    return found


def end_installation(world: World, ended: Grant) -> None:
    """Make every token of the same installation useless."""
    for grant in world.grants.values():
        same_org = grant.enterprise_id == ended.enterprise_id
        if grant.team_id == ended.team_id and (same_org or not ended.is_org):
            grant.dead = "account_inactive"
            grant.refresh_token = ""
