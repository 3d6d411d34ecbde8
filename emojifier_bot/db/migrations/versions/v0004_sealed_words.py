"""What is said of a result is sealed, and most of it gone once it is shown."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; processes of the older version leave it empty."""
    column = sa.Column("sealed_words", sa.Text, nullable=False, server_default="")
    op.add_column("posts", column)


def downgrade() -> None:
    """Drop it, with all it holds."""
    op.drop_column("posts", "sealed_words")
