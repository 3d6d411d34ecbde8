from __future__ import annotations

import socket

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from emojifier_bot.web import figures
from emojifier_bot.web.figures import serve_figures
from emojifier_bot.web.metrics import MOST_KINDS, OTHER, WorkerMetrics
from tests.figures import make_metrics, text_of


def series(metrics) -> dict:
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text_of(metrics))
        for one in family.samples
    }


class TestWorkerMetrics:
    def test_at_first_it_has_done_nothing(self):
        found = series(WorkerMetrics())

        assert found["emojifier_jobs_total", "posted"] == 0
        assert found["emojifier_faces_total", "sure"] == 0
        assert found["emojifier_faces_total", "unsure"] == 0
        assert found["emojifier_job_seconds_count",] == 0

    def test_what_it_is_told(self):
        metrics = WorkerMetrics()
        metrics.step_ended("prepare", 0.7)
        metrics.step_retried("prepare", "ratelimited")
        metrics.stage_ended("decode", 0.02)
        metrics.faces_read(sure=3, unsure=1)
        metrics.job_ended("posted", 4.5)
        metrics.job_ended("no_face", 1.5)
        metrics.slack_called("files.info", 0.1, "")
        metrics.slack_called("files.info", 0.3, "ratelimited")

        found = series(metrics)

        assert found["emojifier_step_seconds_count", "prepare"] == 1
        assert found["emojifier_step_retries_total", "prepare", "ratelimited"] == 1
        assert found["emojifier_picture_seconds_sum", "decode"] == 0.02
        assert found["emojifier_faces_total", "sure"] == 3
        assert found["emojifier_faces_total", "unsure"] == 1
        assert found["emojifier_jobs_total", "posted"] == 1
        assert found["emojifier_jobs_total", "no_face"] == 1
        assert found["emojifier_job_seconds_sum",] == 6
        assert found["emojifier_slack_call_seconds_count", "files.info"] == 2
        assert found["emojifier_slack_errors_total", "files.info", "ratelimited"] == 1

    @given(st.lists(st.text("abc", min_size=1), max_size=400))
    def test_labels_take_few_values_whatever_slack_invents(self, kinds):
        metrics = WorkerMetrics()
        for number, kind in enumerate(kinds):
            metrics.job_ended(f"{kind}_{number}", 1.0)

        outcomes = [key for key in series(metrics) if key[0] == "emojifier_jobs_total"]

        assert len(outcomes) <= MOST_KINDS + 2
        if len(kinds) > MOST_KINDS:
            assert ("emojifier_jobs_total", OTHER) in outcomes


def test_how_the_queue_stands():
    found = series(make_metrics())

    assert found["emojifier_jobs_waiting",] == 7
    assert found["emojifier_jobs_running",] == 3
    assert found["emojifier_jobs_oldest_seconds",] == 1.5
    assert found["emojifier_jobs_stranded",] == 1
    assert found["emojifier_workers",] == 2
    assert found["emojifier_installations",] == 2


def test_every_process_tells_of_itself():
    for metrics in (make_metrics(), WorkerMetrics()):
        names = {key[0] for key in series(metrics)}

        assert {"emojifier_info", "process_resident_memory_bytes"} <= names
        assert {"process_open_fds", "process_start_time_seconds"} <= names


class TestServeFigures:
    def test_a_port_of_their_own(self):
        with serve_figures(WorkerMetrics().registry, "127.0.0.1", 0) as port:
            answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)

        assert answer.status_code == 200
        assert "emojifier_jobs_total" in answer.text
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)

    def test_the_next_port_where_one_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            first = taken.getsockname()[1]
            with serve_figures(CollectorRegistry(), "127.0.0.1", first) as port:
                assert first < port < first + figures.MOST_PORTS

    def test_without_a_port_the_bot_runs_all_the_same(self, caplog):
        nobody = "192.0.2.1"
        with serve_figures(CollectorRegistry(), nobody, 0) as found:
            assert found == 0

        assert "No port for the figures" in caplog.text

    @pytest.mark.parametrize(
        ("port", "first", "last"),
        [(0, 0, 0), (9464, 9464, 9495), (65535, 65535, 65535)],
    )
    def test_which_ports_are_tried(self, port, first, last):
        tried = figures._tried(port)

        assert (tried[0], tried[-1]) == (first, last)
