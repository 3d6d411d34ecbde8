"""Asks before pictures leave this machine for a hosted face API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.report import WrongUsage, counted, say

if TYPE_CHECKING:
    from emojifier_bot.config import Settings
    from emojifier_bot.vision.analyzers.registry import Service

AcceptRemote = Annotated[
    bool,
    typer.Option(
        "--accept-remote",
        help="Send pictures to a hosted back end without being asked.",
    ),
]


def agree_to_send(settings: Settings, pictures: int, *, accepted: bool) -> None:
    """Go on only if no picture leaves this machine, or somebody agrees that it does.

    Args:
        settings: Name the back end.
        pictures: How many there are.
        accepted: Whether ``--accept-remote`` was given.

    Raises:
        WrongUsage: Nobody can be asked, or the answer is no.
    """
    from emojifier_bot.app import face_service

    service = face_service(settings)
    if service is None or accepted or not pictures:
        return
    say(what_happens(service, pictures))
    if not _can_ask():
        raise WrongUsage(
            f"Nobody can be asked whether pictures may go to {service.title}. Add "
            "--accept-remote if they may, or --backend local."
        )
    if not typer.confirm("Send?", err=True):
        raise WrongUsage("Nothing was sent. --backend local reads the faces here.")


def what_happens(service: Service, pictures: int) -> str:
    """Return who gets the pictures and what that costs, in words."""
    return (
        f"{counted(pictures, 'picture')} will be sent to {service.title}, which reads "
        f"the faces under its own terms. {_cost(service, pictures)}"
    )


def _cost(service: Service, pictures: int) -> str:
    from emojifier_bot.vision.analyzers.registry import PRICES_AS_OF

    price = service.usd_per_1000
    if price is None:
        return "What that costs, its own pages say."
    return (
        f"That costs about US$ {price * pictures / 1000:.3f} (list price US$ "
        f"{price:.2f} per 1,000, {PRICES_AS_OF}; check the vendor's page)."
    )


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
