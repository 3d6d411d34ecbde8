"""The remote control: what a test in another process may set, do and ask."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tests.fakes.slack import methods_files, posting, responses
from tests.fakes.slack.exchange import Reply, Request
from tests.fakes.slack.shapes import file_json, message_json
from tests.fakes.slack.world import World


class Control:
    """Answers ``/control/<what>``: GET asks, POST with a JSON object does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: Mapping[str, Callable[[dict[str, str]], Any]] = {
            "calls": self._calls,
            "problems": lambda _: [asdict(one) for one in world.records.problems],
            "messages": self._messages,
            "told": self._told,
            "files": self._files,
            "switches": lambda _: asdict(world.switches) | {"declined_scopes": []},
        }
        self._done: Mapping[str, Callable[[dict[str, Any]], Any]] = {
            "faults": self._add_fault,
            "clear_faults": lambda _: world.faults.clear(),
            "clear_records": lambda _: world.records.clear(),
            "switches": self._switch,
            "redirect_urls": self._redirect_url,
            "workspaces": self._workspace,
            "users": self._user,
            "channels": self._channel,
            "pictures": self._picture,
            "response_urls": self._response_url,
            "triggers": self._trigger,
            "install": self._install,
        }

    def answer(self, request: Request, what: str) -> Reply:
        """Do or tell something."""
        try:
            if request.verb == "GET":
                return Reply.json(self._asked[what](request.params))
            return Reply.json(self._done[what](json.loads(request.body or b"{}")))
        except KeyError as error:
            return Reply.json({"error": f"unknown: {error}"}, 404)
        except (ValueError, TypeError) as error:
            return Reply.json({"error": str(error)}, 400)

    def _calls(self, asked: dict[str, str]) -> Any:
        found = self._world.records.matching(
            lambda call: asked.get("method", call.method) == call.method
        )
        return [asdict(one) | {"args": _plain(one.args)} for one in found]

    def _messages(self, asked: dict[str, str]) -> Any:
        methods_files.settle(self._world)
        with self._world.lock:
            return [
                message_json(self._world, one) | {"channel": one.channel_id}
                for one in self._world.messages
                if asked.get("channel", one.channel_id) == one.channel_id
                and not (one.deleted or one.only_for)
            ]

    def _told(self, asked: dict[str, str]) -> Any:
        with self._world.lock:
            heard = [one for one in self._world.messages if one.only_for]
            return [
                {
                    "user": one.only_for,
                    "channel": one.channel_id,
                    "text": one.everything,
                }
                for one in heard
                if asked.get("user", one.only_for) == one.only_for
            ]

    def _files(self, asked: dict[str, str]) -> Any:
        del asked
        methods_files.settle(self._world)
        with self._world.lock:
            return [
                file_json(self._world, one) | {"deleted": one.deleted}
                for one in self._world.files.values()
                if one.completed
            ]

    def _add_fault(self, told: dict[str, Any]) -> Any:
        return asdict(self._world.faults.add(told.pop("method"), **told))

    def _switch(self, told: dict[str, Any]) -> Any:
        for name, value in told.items():
            if not hasattr(self._world.switches, name):
                raise KeyError(name)
            setattr(self._world.switches, name, value)
        return told

    def _redirect_url(self, told: dict[str, Any]) -> Any:
        self._world.app.redirect_urls.append(told["url"])
        return told

    def _workspace(self, told: dict[str, Any]) -> Any:
        return asdict(self._world.add_workspace(**told))

    def _user(self, told: dict[str, Any]) -> Any:
        workspace = self._world.workspaces[told.pop("team_id")]
        return asdict(self._world.add_user(workspace, **told))

    def _channel(self, told: dict[str, Any]) -> Any:
        workspace = self._world.workspaces[told.pop("team_id")]
        channel = self._world.add_channel(workspace, **told)
        return asdict(channel) | {"members": sorted(channel.members)}

    def _picture(self, told: dict[str, Any]) -> Any:
        data = base64.b64decode(told.pop("base64"))
        message = posting.post_files(
            self._world, files=[(told.pop("name"), data)], **told
        )
        return message_json(self._world, message)

    def _response_url(self, told: dict[str, Any]) -> Any:
        return {"response_url": responses.new_response_url(self._world, **told)}

    def _trigger(self, told: dict[str, Any]) -> Any:
        return {"trigger_id": posting.new_trigger(self._world, told["user_id"])}

    def _install(self, told: dict[str, Any]) -> Any:
        workspace = self._world.workspaces[told.pop("team_id")]
        grant = self._world.install(workspace, **told)
        return asdict(grant) | {"scopes": sorted(grant.scopes)}


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments without bytes, which JSON cannot hold."""
    return {
        name: f"{len(value)} bytes" if isinstance(value, bytes) else value
        for name, value in args.items()
    }
