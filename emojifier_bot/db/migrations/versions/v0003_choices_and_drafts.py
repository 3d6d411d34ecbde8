"""What people and admins have chosen, and previews that somebody has before them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "preferences",
        _words("place_id"),
        _words("user_id"),
        _words("name"),
        _words("enterprise_id"),
        _words("value"),
        sa.PrimaryKeyConstraint("place_id", "user_id", "name", name="pk_preferences"),
    )
    op.create_table(
        "drafts",
        _words("place_id"),
        _words("draft_id"),
        _words("enterprise_id"),
        _words("content"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removable_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place_id", "draft_id", name="pk_drafts"),
    )
    op.create_index("ix_drafts_removable_at", "drafts", ["removable_at"])


def downgrade() -> None:
    """Drop them, with all they hold."""
    for table in ("drafts", "preferences"):
        op.drop_table(table)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
