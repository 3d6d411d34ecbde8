"""Channels that are switched off, people who opted out, and what limits are used up."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "channels_off",
        _words("channel_id"),
        _words("place_id"),
        _words("enterprise_id"),
        _words("switched_by"),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "place_id", name="pk_channels_off"),
    )
    op.create_table(
        "opt_outs",
        _words("user_id"),
        _words("place_id"),
        _words("enterprise_id"),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "place_id", name="pk_opt_outs"),
    )
    op.create_table(
        "allowances",
        _words("place_id"),
        _words("user_id"),
        sa.Column("period_seconds", sa.Integer, nullable=False),
        _words("enterprise_id"),
        sa.Column("spent_until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint(
            "place_id", "user_id", "period_seconds", name="pk_allowances"
        ),
    )
    op.create_index("ix_allowances_spent_until", "allowances", ["spent_until"])


def downgrade() -> None:
    """Drop them, with all they hold."""
    for table in ("allowances", "opt_outs", "channels_off"):
        op.drop_table(table)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
