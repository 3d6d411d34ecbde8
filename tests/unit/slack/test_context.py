from __future__ import annotations

import threading

from emojifier_bot.slack.context import Background


def test_closing_without_a_task():
    Background().close()


def test_tasks_run_and_are_waited_for():
    background = Background(threads=2, waiting=8)
    done = []

    assert all(background.submit("test", lambda: done.append(1)) for _ in range(8))
    background.close()

    assert len(done) == 8


def test_more_than_may_wait_is_refused():
    background = Background(threads=1, waiting=1)
    go_on = threading.Event()

    taken = [background.submit("test", go_on.wait) for _ in range(3)]
    go_on.set()
    background.close()

    assert taken == [True, True, False]


def test_after_a_failure_the_next_task_runs(caplog):
    background = Background(threads=1, waiting=0)

    def fail():
        finished.wait()
        raise RuntimeError

    for _ in range(3):
        finished = threading.Event()
        assert background.submit("trial", fail)
        finished.set()
        while not background.submit("empty", lambda: None):
            pass
        while not background._places.acquire(blocking=False):
            pass
        background._places.release()
    background.close()

    failures = [one for one in caplog.records if one.message == "A task failed"]
    assert [one.action for one in failures] == ["trial"] * 3
