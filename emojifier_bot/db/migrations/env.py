"""What alembic runs around the steps in ``versions/``; `migrate` gives a connection."""

from alembic import context

from emojifier_bot.db.migrate import VERSION_TABLE
from emojifier_bot.db.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # All steps or none, with SQLite too.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
