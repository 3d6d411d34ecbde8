"""Who is told what jobs do and what was asked of Slack, for the figures."""

from __future__ import annotations

from typing import Protocol


class JobObserver(Protocol):
    """Is told what jobs do, for the figures. Its methods are quick and never raise."""

    def step_ended(self, step: str, seconds: float) -> None:
        """Note that a step of a job ran, well or not."""
        ...

    def step_retried(self, step: str, kind: str) -> None:
        """Note that a step failed and will be tried again."""
        ...

    def stage_ended(self, stage: str, seconds: float) -> None:
        """Note what a part of the work on one picture took."""
        ...

    def faces_read(self, sure: int, unsure: int) -> None:
        """Note the faces of one picture."""
        ...

    def job_ended(self, outcome: str, seconds: float) -> None:
        """Note how a job ended, and how long ago it was asked for."""
        ...


class NoJobObserver:
    """A `JobObserver` that keeps nothing."""

    def step_ended(self, step: str, seconds: float) -> None:
        """Keep nothing."""

    def step_retried(self, step: str, kind: str) -> None:
        """Keep nothing."""

    def stage_ended(self, stage: str, seconds: float) -> None:
        """Keep nothing."""

    def faces_read(self, sure: int, unsure: int) -> None:
        """Keep nothing."""

    def job_ended(self, outcome: str, seconds: float) -> None:
        """Keep nothing."""


class SlackObserver(Protocol):
    """Is told what was asked of Slack, for the figures; quick, and never raises."""

    def slack_called(self, method: str, seconds: float, error: str) -> None:
        """Note a call and its error's kind, empty where it went well."""
        ...


class NoSlackObserver:
    """A `SlackObserver` that keeps nothing."""

    def slack_called(self, method: str, seconds: float, error: str) -> None:
        """Keep nothing."""
