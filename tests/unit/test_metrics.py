from __future__ import annotations

import socket

import pytest
import requests
from prometheus_client import CollectorRegistry

from emojifier_bot import metrics
from emojifier_bot.metrics import MOST_KINDS, OTHER, serve_metrics, worker_registry
from tests.metrics import make_web_registry, values_of


def test_what_is_known_beforehand_counts_from_zero():
    worker, web = values_of(worker_registry()), values_of(make_web_registry())

    assert ("emojifier_jobs_total", "posted") in worker
    assert ("emojifier_faces_total", "sure") in worker
    assert ("emojifier_faces_total", "unsure") in worker
    assert ("emojifier_job_seconds_count",) in worker
    assert ("emojifier_slack_answer_seconds_count", "command") in web


def test_a_process_serves_its_own_metrics_alone():
    worker, web = values_of(worker_registry()), values_of(make_web_registry())

    assert ("emojifier_jobs_total", "posted") not in web
    assert ("emojifier_slack_answer_seconds_count", "command") not in worker


def test_the_state_of_the_queue():
    found = values_of(make_web_registry())

    assert found["emojifier_jobs_waiting",] == 7
    assert found["emojifier_jobs_running",] == 3
    assert found["emojifier_jobs_oldest_seconds",] == 1.5
    assert found["emojifier_jobs_orphaned",] == 1
    assert found["emojifier_workers",] == 2
    assert found["emojifier_installations",] == 2
    assert found["emojifier_socket_mode_connected",] == 1


@pytest.mark.parametrize("registry", [make_web_registry, worker_registry])
def test_every_process_reports_on_itself(registry):
    names = {key[0] for key in values_of(registry())}

    assert {"emojifier_info", "process_resident_memory_bytes"} <= names
    assert {"process_open_fds", "process_start_time_seconds"} <= names


def test_labels_take_few_values_whatever_slack_invents(monkeypatch):
    monkeypatch.setattr(metrics, "_kinds", set())

    labels = [metrics.label_of(f"kind_{number}") for number in range(MOST_KINDS + 9)]

    assert labels[:MOST_KINDS] == [f"kind_{number}" for number in range(MOST_KINDS)]
    assert set(labels[MOST_KINDS:]) == {OTHER}
    assert metrics.label_of("kind_0") == "kind_0"


class TestServeMetrics:
    def test_a_port_of_its_own(self):
        with serve_metrics(worker_registry(), "127.0.0.1", 0) as port:
            answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)

        assert answer.status_code == 200
        assert "emojifier_jobs_total" in answer.text
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)

    def test_the_next_port_where_one_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            first = taken.getsockname()[1]
            with serve_metrics(CollectorRegistry(), "127.0.0.1", first) as port:
                assert first < port < first + metrics.MOST_PORTS

    def test_without_a_port_the_bot_runs_all_the_same(self, caplog):
        nobody = "192.0.2.1"
        with serve_metrics(CollectorRegistry(), nobody, 0) as found:
            assert found == 0

        assert "No port for the metrics" in caplog.text

    @pytest.mark.parametrize(
        ("port", "first", "last"),
        [(0, 0, 0), (9464, 9464, 9495), (65535, 65535, 65535)],
    )
    def test_which_ports_are_tried(self, port, first, last):
        tried = metrics._ports(port)

        assert (tried[0], tried[-1]) == (first, last)
