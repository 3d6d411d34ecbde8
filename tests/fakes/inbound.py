"""What stands behind the listeners, in memory, as far as others have not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from emojifier_bot.domain import EmojifyRequest, Outcome, Post, Workspace
from emojifier_bot.errors import DeliveryError, EmojifierError, VaultError


class PlainVault:
    """A `Vault` whose seals anybody can break, and a test can read."""

    def seal(self, plain: str) -> str:
        plain.encode("utf-8")  # halves of surrogate pairs cannot be sealed
        return f"sealed({plain})"

    def unseal(self, sealed: str) -> str:
        if not sealed.startswith("sealed("):
            raise VaultError("That was not sealed here.")
        return sealed.removeprefix("sealed(").removesuffix(")")


@dataclass
class MemoryQueue:
    """A `JobQueue` that nobody works on."""

    jobs: dict[str, EmojifyRequest] = field(default_factory=dict)
    #: Raised from the given number of jobs on.
    error: EmojifierError | None = None
    holds: int = 0
    #: Keys of jobs that a test calls ended.
    ended: set[str] = field(default_factory=set)
    #: Raised by `forget`, one each time.
    refuse_forget: list[EmojifierError] = field(default_factory=list)

    def has_ended(self, key: str) -> bool:
        return key in self.ended

    def forget(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        if self.refuse_forget:
            raise self.refuse_forget.pop()
        asked = {key: one.workspace for key, one in self.jobs.items()}
        if workspace.team_id:
            gone = [k for k, one in asked.items() if one.team_id == workspace.team_id]
        else:
            grid = workspace.enterprise_id
            gone = [
                k
                for k, one in asked.items()
                if one.enterprise_id == grid and one.team_id not in spared
            ]
        for key in gone:
            del self.jobs[key]
        return len(gone)

    def enqueue(self, request: EmojifyRequest, key: str) -> bool:
        if self.error is not None and len(self.jobs) >= self.holds:
            raise self.error
        # As the real one, which keeps it as JSON.
        request = EmojifyRequest.from_dict(request.to_dict())
        return self.jobs.setdefault(key, request) is request

    @property
    def requests(self) -> list[EmojifyRequest]:
        return list(self.jobs.values())


@dataclass
class TalkingSink:
    """The part of a `ReplySink` that the buttons and answers need."""

    told: list[tuple[EmojifyRequest, Outcome]] = field(default_factory=list)
    deleted: list[Post] = field(default_factory=list)
    #: The messages whose buttons were pressed for these.
    button_ts: list[str] = field(default_factory=list)
    refuse_delete: DeliveryError | None = None
    refuse_tell: DeliveryError | None = None

    def notify(self, request: EmojifyRequest, outcome: Outcome) -> None:
        if self.refuse_tell:
            raise self.refuse_tell
        self.told.append((request, outcome))

    def delete(self, post: Post, button_ts: str = "") -> None:
        if self.refuse_delete:
            raise self.refuse_delete
        self.deleted.append(post)
        self.button_ts.append(button_ts)

    @property
    def kinds(self) -> list[str]:
        return [outcome.kind for _, outcome in self.told]
