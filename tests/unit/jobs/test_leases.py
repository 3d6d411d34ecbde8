from __future__ import annotations

import pytest

from emojifier_bot.jobs.leases import Heartbeat, HeartbeatMonitor, LeaseTimes

TIMES = LeaseTimes(lease_seconds=10, heartbeat_seconds=2)
A, B = Heartbeat(0, "worker-0-a", 7), Heartbeat(1, "worker-1-b", 3)


def dead_after(looks):
    """Look at each moment with its rows; return what the last look says."""
    monitor = HeartbeatMonitor(TIMES)
    for now, rows in looks:
        dead = monitor.expired(rows, now)
    return dead


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, [])], []),
        ([(0, [A])], []),
        ([(t, [A, B]) for t in range(0, 10, 2)], []),
        ([(t, [A, B]) for t in range(0, 12, 2)], [A, B]),
        # Nobody looked for a while: the silence may be the database's.
        ([(0, [A]), (11, [A])], []),
        ([(0, [A]), (2, [A]), (20, [A]), (22, [A])], []),
        # It came back in between, as another.
        ([(0, [A]), (4, []), (8, [A]), (12, [A])], []),
    ],
)
def test_who_is_silent_for_a_lease_is_dead(looks, expected):
    assert dead_after(looks) == expected


def test_a_heartbeat_is_enough():
    monitor = HeartbeatMonitor(TIMES)
    for beat in range(100):
        assert monitor.expired([Heartbeat(0, "worker-0-a", beat // 4)], beat * 2) == []
