"""Installations, the states of those under way, and posts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "installations",
        _words("holder_id"),
        _words("team_id"),
        _words("enterprise_id"),
        sa.Column("is_org_install", sa.Boolean, nullable=False),
        _words("bot_token"),
        _words("refresh_token"),
        _words("refresh_digest"),
        sa.Column("expires_at", MOMENT),
        _words("bot_user_id"),
        _words("bot_id"),
        _words("app_id"),
        sa.Column("scopes", sa.JSON, nullable=False),
        _words("team_name"),
        _words("enterprise_name"),
        _words("installed_by"),
        sa.Column("installed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("holder_id", name="pk_installations"),
    )
    op.create_table(
        "oauth_states",
        _words("state_digest"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name="pk_oauth_states"),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"])
    _make_posts()


def _make_posts() -> None:
    op.create_table(
        "posts",
        _words("place_id"),
        _words("post_id"),
        _words("team_id"),
        _words("enterprise_id"),
        sa.Column("is_org_install", sa.Boolean, nullable=False),
        _words("asker_id"),
        _words("file_id"),
        _words("channel_id"),
        _words("thread_ts"),
        _words("title"),
        _words("alt_text"),
        sa.Column("faces", sa.JSON, nullable=False),
        _words("theme"),
        _words("source_file_id"),
        _words("source_address"),
        sa.Column("source_is_newest", sa.Boolean, nullable=False),
        _words("source_message_ts"),
        _words("source_posted_by"),
        sa.Column("posted_at", MOMENT, nullable=False),
        sa.Column("presses", sa.Integer, nullable=False),
        _words("deleted_by"),
        sa.Column("deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("place_id", "post_id", name="pk_posts"),
    )
    op.create_index("ix_posts_enterprise_id", "posts", ["enterprise_id"])
    op.create_index("ix_posts_posted_at", "posts", ["posted_at"])


def downgrade() -> None:
    """Drop them, with all they hold."""
    for table in ("posts", "oauth_states", "installations"):
        op.drop_table(table)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
