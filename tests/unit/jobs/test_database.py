from __future__ import annotations

import pytest
import sqlalchemy as sa

from emojifier_bot.jobs.database import open_engine


@pytest.mark.parametrize(
    ("hurried", "limits"), [(False, ("1500ms", "0")), (True, ("1500ms", "1500ms"))]
)
def test_who_is_in_a_hurry_waits_for_no_statement(postgres_url, hurried, limits):
    engine = open_engine(
        postgres_url, patience_seconds=1.5, connections=1, hurried=hurried
    )
    with engine.begin() as connection:
        for limit, wanted in zip(
            ("lock_timeout", "statement_timeout"), limits, strict=True
        ):
            assert connection.execute(sa.text(f"SHOW {limit}")).scalar() == wanted
    engine.dispose()
