"""Names that the web process and every worker must agree on."""

from __future__ import annotations

import hashlib

from emojifier_bot.domain import Workspace

#: Owner of the rows in the job tables.
APPLICATION = "emojifier-bot"
#: The queue that all jobs wait in, in one partition for each workspace.
QUEUE = "emojify"
#: The workflow that every job runs.
WORKFLOW = "emojify"
#: Changes when the recorded steps of a running job no longer fit the workflow's code.
#: A worker only takes up jobs of its own version, and jobs that none has begun.
WORKFLOW_VERSION = "1"
#: Hexadecimal digits of a job's id: 128 bits.
_ID_LENGTH = 32
_SEED_BYTES = 8


def job_id_for(key: str) -> str:
    """Return the id that a dedupe key stands for, always the same one."""
    return hashlib.sha256(key.encode()).hexdigest()[:_ID_LENGTH]


def child_job_id(parent_id: str, number: int) -> str:
    """Return the id of the job for a further picture of the same request."""
    return job_id_for(f"{parent_id}/{number}")


def partition_of(workspace: Workspace) -> str:
    """Return the part of the queue that a workspace has to itself."""
    return f"{workspace.enterprise_id or '-'}/{workspace.team_id}"


def surprise_seed(job_id: str, press: int) -> int:
    """Return a seed that differs from job to job and from press to press."""
    digest = hashlib.sha256(f"{job_id}:{press}".encode()).digest()
    return int.from_bytes(digest[:_SEED_BYTES], "big")
