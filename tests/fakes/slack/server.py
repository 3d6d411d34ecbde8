"""A Slack that runs on this machine, answers over HTTP, and says no."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tests.fakes.slack import api, methods_files, oauth, responses
from tests.fakes.slack.arguments import Arguments, read_arguments
from tests.fakes.slack.exchange import Listener, Reply, Request
from tests.fakes.slack.faults import PAGE, Fault
from tests.fakes.slack.state import Call, Message, Problem, SlackApp, SlackFile
from tests.fakes.slack.world import World

#: How often `wait_until` looks when nothing calls.
LOOK_SECONDS = 0.02
#: First part of a path to the name in records and faults.
PLACES = {
    "upload": "upload",
    "files-pri": "download",
    "response": "response",
    "oauth": "authorize",
}


class SlackServer:
    """Slack on a free port: use it as a context manager.

    ``with SlackServer() as slack:`` gives an empty Slack; `sample_workspace` fills it
    with a workspace, people, channels and a token.
    """

    def __init__(
        self,
        app: SlackApp | None = None,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.world = World(app or SlackApp(), clock)
        #: What a test sets: the app, how Slack behaves, what goes wrong.
        self.app, self.switches = self.world.app, self.world.switches
        self.faults = self.world.faults
        self.add_workspace = self.world.add_workspace
        self.add_user, self.add_channel = self.world.add_user, self.world.add_channel
        self._stopping = threading.Event()
        self._listener = Listener(self._answer, self.world.broke, port)
        #: Base address, without a slash at the end.
        self.url = self.world.url = self._listener.url
        #: Base of the Web API, for `slack_sdk.WebClient`.
        self.api_url = f"{self.url}/api/"
        self.website = Website(self.world)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._listener.start()
        self.website.start()

    def stop(self) -> None:
        """Stop at once; who still waits for a slow answer gets none."""
        self._stopping.set()
        self._listener.stop()
        self.website.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make the bot talk to this Slack."""
        app = self.world.app
        return {
            "SLACK_API_URL": self.api_url,
            "SLACK_AUTHORIZE_URL": f"{self.url}/oauth/v2/authorize",
            "SLACK_FILE_HOSTS": self._listener.host,
            "FETCH_ALLOW_HOSTS": self.website.host,
            "SLACK_CLIENT_ID": app.client_id,
            "SLACK_CLIENT_SECRET": app.client_secret,
            "SLACK_SIGNING_SECRET": app.signing_secret,
            # People in tests ask more often than people do.
            "EMOJIFIER_USER_PER_MINUTE": "0",
            "EMOJIFIER_WORKSPACE_PER_HOUR": "0",
            "EMOJIFIER_WORKSPACE_PER_DAY": "0",
        }

    @property
    def calls(self) -> list[Call]:
        """Return every request so far, oldest first."""
        with self.world.lock:
            return list(self.world.calls)

    @property
    def problems(self) -> list[Problem]:
        """Return what a correct bot would not have sent; assert that it is empty."""
        with self.world.lock:
            return list(self.world.problems)

    def calls_of(self, *methods: str) -> list[Call]:
        """Return the calls of some methods, oldest first."""
        return [call for call in self.calls if call.method in methods]

    def messages(self, channel_id: str = "") -> list[Message]:
        """Return what everybody in a channel, or in all of them, can read now."""
        methods_files.settle(self.world)
        with self.world.lock:
            return [
                one
                for one in self.world.messages
                if not (one.deleted or one.only_for)
                and channel_id in {"", one.channel_id}
            ]

    def bot_messages(self, channel_id: str = "") -> list[Message]:
        """Return what the app wrote for everybody."""
        bots = {one.bot_user_id for one in self.world.workspaces.values()}
        return [one for one in self.messages(channel_id) if one.user_id in bots]

    def told(self, user_id: str) -> list[str]:
        """Return what one person alone was told, oldest first, blocks as text."""
        with self.world.lock:
            heard = [one for one in self.world.messages if one.only_for == user_id]
            return [one.everything for one in heard if not one.deleted]

    def results(self, channel_id: str = "") -> list[tuple[Message, SlackFile]]:
        """Return the app's messages that show a file, with the file."""
        return [
            (message, self.world.files[file_id])
            for message in self.bot_messages(channel_id)
            for file_id in message.file_ids
            if not self.world.files[file_id].deleted
        ]

    def wait_until(
        self, holds: Callable[[], Any], timeout_seconds: float = 60.0
    ) -> Any:
        """Wait until something is true, and return it.

        Raises:
            AssertionError: It was not in time; the message lists the last calls.
        """
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until:
            if found := holds():
                return found
            with self.world.changed:
                self.world.changed.wait(LOOK_SECONDS)
        last = [(one.method, one.status, one.error) for one in self.calls[-10:]]
        raise AssertionError(f"Not within {timeout_seconds} s. Last calls: {last}")

    def _answer(self, request: Request) -> Reply | None:
        place, _, rest = request.path.lstrip("/").partition("/")
        if place == "api":
            return self._meet(request, rest, read_arguments(rest, request))
        if place in PLACES:
            found = Arguments({"path": request.path} | request.params, request.bearer)
            return self._meet(request, PLACES[place], found)
        self.world.problem("unknown_path", "", request.path)
        return Reply.html(PAGE.format("Not found"), 404)

    def _meet(self, request: Request, name: str, arguments: Arguments) -> Reply | None:
        """Answer one request, unless a fault is in the way, and keep record."""
        fault = self.faults.take(name)
        reply = self._reply(request, name, arguments, fault)
        grant = self.world.grants.get(arguments.token)
        args = dict(arguments.values)
        if name in {"response", "upload"}:
            args["body"] = request.body
        self.world.record(
            Call(
                method=name,
                args=args,
                token=arguments.token,
                team_id=grant.team_id if grant else "",
                when=self.world.clock(),
                status=0 if reply is None else reply.status,
                answer=None if reply is None else reply.told,
                headers=request.headers,
            )
        )
        return reply

    def _reply(
        self, request: Request, name: str, arguments: Arguments, fault: Fault | None
    ) -> Reply | None:
        if fault is None:
            return self._act(request, name, arguments)
        if fault.after:
            reply = self._act(request, name, arguments)
            fault.wait(self._stopping)
            return fault.reply() if fault.replaces else reply
        fault.wait(self._stopping)
        return fault.reply() if fault.replaces else self._act(request, name, arguments)

    def _act(self, request: Request, name: str, arguments: Arguments) -> Reply:
        parts = request.path.strip("/").split("/")
        if name == "upload":
            return methods_files.receive_bytes(self.world, request, parts[-1])
        if name == "download":
            return methods_files.download(self.world, request, parts[1])
        if name == "response":
            return responses.respond(self.world, request, parts[-1])
        if name == "authorize":
            return oauth.authorize(self.world, request)
        return api.answer(self.world, name, arguments)


class Website:
    """A host that is not Slack: serves pictures and pages, and must see no token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pages: dict[str, Reply] = {}
        self._listener = Listener(self._answer, world.broke)
        self.start = self._listener.start
        self.stop = self._listener.stop
        self.host = self._listener.host

    def add(self, path: str, reply: Reply) -> str:
        """Serve something; return its address."""
        self._pages[path] = reply
        return f"{self._listener.url}{path}"

    def add_picture(self, path: str, data: bytes, kind: str = "image/png") -> str:
        """Serve a picture; return its address."""
        return self.add(path, Reply(200, kind, data))

    def _answer(self, request: Request) -> Reply:
        reply = self._pages.get(request.path) or Reply.html("Not found", 404)
        said = [request.path, request.query, *request.headers.values()]
        told = "\n".join([*said, request.body.decode(errors="replace")])
        with self._world.lock:
            leaked = any(token in told for token in self._world.grants)
        if leaked or "authorization" in request.headers:
            self._world.problem("token_leak", "website", request.path)
        self._world.record(
            Call(
                method="website",
                args={"path": request.path} | request.params,
                token=request.bearer,
                team_id="",
                when=self._world.clock(),
                status=reply.status,
                answer=reply.told,
                headers=request.headers,
            )
        )
        return reply
