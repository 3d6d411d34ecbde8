"""``jobs``: what was asked, where each job stands, and another try."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import (
    FAILED,
    Number,
    VerbGroup,
    json_option,
    print_err,
    shown,
)
from emojifier_bot.domain import JobState

if TYPE_CHECKING:
    from emojifier_bot.domain import Job
    from emojifier_bot.jobs.queue import DbosJobQueue

job_id_argument = click.argument(
    "job_id", metavar="JOB_ID", help="A job's id, as `jobs list` prints it."
)


@click.group(cls=VerbGroup, no_args_is_help=True)
def jobs() -> None:
    """List, show, retry or cancel the bot's jobs."""


@jobs.command("list")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in JobState]),
    show_default="any state",
    help="Only jobs in this state.",
)
@click.option("--limit", type=Number(1, 10_000), default=50, help="At most this many.")
@json_option
def list_jobs(state: str | None, limit: int, as_json: bool) -> None:
    """Print the newest jobs, one per line."""
    found = _admin().list(None if state is None else JobState(state), limit)
    if as_json:
        print(json.dumps([_as_dict(job) for job in found], indent=2))
        return
    for job in found:
        print(_line(job))
    if not found:
        print_err("There are no such jobs.")


@jobs.command("show")
@job_id_argument
@json_option
def show_job(job_id: str, as_json: bool) -> None:
    """Print one job and the steps that it has completed."""
    job = _admin().show(job_id)
    if job is None:
        print_err(f"There is no job {shown(job_id)}; `jobs list` prints their ids.")
        raise SystemExit(FAILED)
    if as_json:
        print(json.dumps(_as_dict(job), indent=2))
        return
    print(_line(job))
    for step in job.steps:
        print(f"    {shown(step)}")


@jobs.command("retry")
@job_id_argument
def retry_job(job_id: str) -> None:
    """Run a failed or cancelled job again from the step that failed."""
    if not _admin().retry(job_id):
        print_err(f"Job {shown(job_id)} is not failed or cancelled, or does not exist.")
        raise SystemExit(FAILED)
    print_err(f"Job {shown(job_id)} runs again as soon as a worker is free.")


@jobs.command("cancel")
@job_id_argument
def cancel_job(job_id: str) -> None:
    """Cancel a job and notify who asked for it. What it has posted stays."""
    from emojifier_bot.app.operators import notify_cancelled
    from emojifier_bot.config import load_settings
    from emojifier_bot.errors import EmojifierError

    admin = _admin()
    job = admin.show(job_id)
    if not admin.cancel(job_id):
        print_err(f"Job {shown(job_id)} has ended already, or does not exist.")
        raise SystemExit(FAILED)
    print_err(f"Job {shown(job_id)} is cancelled.")
    if job is not None:
        try:
            notify_cancelled(load_settings(), job.request)
        except EmojifierError as error:
            print_err(f"Who asked was not notified: {error.message}")
        else:
            print_err("Who asked was notified.")


def _admin() -> DbosJobQueue:
    from emojifier_bot.app.operators import make_job_admin
    from emojifier_bot.config import load_settings

    admin = make_job_admin(load_settings())
    # An open connection leaves files beside a SQLite database.
    click.get_current_context().call_on_close(admin.close)
    return admin


def _line(job: Job) -> str:
    team = job.request.workspace.team_id or job.request.workspace.enterprise_id
    when = job.created_at.isoformat(sep=" ", timespec="seconds")
    ended = f"  {shown(job.outcome)}" if job.outcome else ""
    return (
        f"{job.job_id}  {when}  {job.state:<9}  {shown(team):<11}  "
        f"{job.request.entrypoint}{ended}"
    )


def _as_dict(job: Job) -> dict[str, Any]:
    workspace = job.request.workspace
    return {
        "job_id": job.job_id,
        "state": job.state,
        "entrypoint": job.request.entrypoint,
        "team_id": workspace.team_id,
        "enterprise_id": workspace.enterprise_id,
        "channel_id": job.request.channel_id,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "version": job.version,
        "outcome": job.outcome,
        "steps": list(job.steps),
    }
