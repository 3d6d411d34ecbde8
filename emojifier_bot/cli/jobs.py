"""``jobs``: what was asked, where each job stands, and another try."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.cli.choices import JobStateName
from emojifier_bot.cli.report import say, shown

if TYPE_CHECKING:
    from emojifier_bot.domain import Job
    from emojifier_bot.jobs.queue import DbosJobQueue

FAILED = 1
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
JobId = Annotated[str, typer.Argument(help="A job's id, as `jobs list` prints it.")]

jobs_app = typer.Typer(
    help="List, show, retry or cancel the bot's jobs.", no_args_is_help=True
)


@jobs_app.command("list")
def list_jobs(
    state: Annotated[
        JobStateName | None, typer.Option(help="Only jobs in this state.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="At most so many.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """Print the newest jobs, one line each."""
    from emojifier_bot.domain import JobState

    jobs = _admin().list(None if state is None else JobState(state), limit)
    if as_json:
        print(json.dumps([_as_dict(job) for job in jobs], indent=2))
        return
    for job in jobs:
        print(_line(job))
    if not jobs:
        say("There are no such jobs.")


@jobs_app.command("show")
def show_job(job_id: JobId, as_json: AsJson = False) -> None:
    """Print one job with the steps that are done."""
    job = _admin().show(job_id)
    if job is None:
        say(f"There is no job {shown(job_id)}; `jobs list` prints their ids.")
        raise typer.Exit(FAILED)
    if as_json:
        print(json.dumps(_as_dict(job), indent=2))
        return
    print(_line(job))
    for step in job.steps:
        print(f"    {shown(step)}")


@jobs_app.command("retry")
def retry_job(job_id: JobId) -> None:
    """Run a failed or cancelled job again, from the step that failed."""
    _settle(
        job_id,
        done=_admin().retry(job_id),
        told="runs again as soon as a worker is free",
        refused="is not failed or cancelled, or does not exist",
    )


@jobs_app.command("cancel")
def cancel_job(job_id: JobId) -> None:
    """Cancel a job that has not ended, and tell who asked; what is posted stays."""
    admin = _admin()
    job = admin.show(job_id)
    done = admin.cancel(job_id)
    _settle(
        job_id,
        done=done,
        told="is cancelled",
        refused="has ended already, or does not exist",
    )
    if job is not None:
        _tell_cancelled(job)


def _tell_cancelled(job: Job) -> None:
    from emojifier_bot.app.operators import tell_cancelled
    from emojifier_bot.config import load_settings
    from emojifier_bot.errors import EmojifierError

    try:
        tell_cancelled(load_settings(), job.request)
    except EmojifierError as error:
        say(f"Who asked was not told: {error.message}")
    else:
        say("Who asked was told.")


def _settle(job_id: str, *, done: bool, told: str, refused: str) -> None:
    say(f"Job {shown(job_id)} {told if done else refused}.")
    if not done:
        raise typer.Exit(FAILED)


def _admin() -> DbosJobQueue:
    from emojifier_bot.app.operators import make_job_admin
    from emojifier_bot.config import load_settings

    return make_job_admin(load_settings())


def _line(job: Job) -> str:
    team = job.request.workspace.team_id or job.request.workspace.enterprise_id
    when = job.created_at.isoformat(sep=" ", timespec="seconds")
    ended = f"  {shown(job.outcome)}" if job.outcome else ""
    way = job.request.entrypoint
    return f"{job.job_id}  {when}  {job.state:<9}  {shown(team):<11}  {way}{ended}"


def _as_dict(job: Job) -> dict[str, Any]:
    workspace = job.request.workspace
    return {
        "job_id": job.job_id,
        "state": job.state,
        "way": job.request.entrypoint,
        "team_id": workspace.team_id,
        "enterprise_id": workspace.enterprise_id,
        "channel_id": job.request.channel_id,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "version": job.version,
        "outcome": job.outcome,
        "steps": list(job.steps),
    }
