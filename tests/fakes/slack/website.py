"""A host that is not Slack: it serves pictures and pages, and must see no token."""

from __future__ import annotations

from tests.fakes.slack.exchange import Reply, Request
from tests.fakes.slack.listener import Listener
from tests.fakes.slack.records import Call
from tests.fakes.slack.world import World


class Website:
    """Some other web server, watched for tokens that leak to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pages: dict[str, Reply] = {}
        self._listener = Listener(self._answer, world.broke)
        self.start = self._listener.start
        self.stop = self._listener.stop

    @property
    def host(self) -> str:
        """Return ``host:port``."""
        return self._listener.host

    def add(self, path: str, reply: Reply) -> str:
        """Serve something; return its address."""
        self._pages[path] = reply
        return f"{self._listener.url}{path}"

    def add_picture(self, path: str, data: bytes, kind: str = "image/png") -> str:
        """Serve a picture; return its address."""
        return self.add(path, Reply(200, kind, data))

    def _answer(self, request: Request) -> Reply:
        reply = self._pages.get(request.path) or Reply.html("Not found", 404)
        self._watch(request)
        self._world.records.call(
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

    def _watch(self, request: Request) -> None:
        said = [request.path, request.query, *request.headers.values()]
        told = "\n".join([*said, request.body.decode(errors="replace")])
        with self._world.lock:
            leaked = any(token in told for token in self._world.grants)
        if leaked or "authorization" in request.headers:
            self._world.problem("token_leak", "website", request.path)
