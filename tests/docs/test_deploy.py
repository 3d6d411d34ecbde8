"""What is in deploy/ fits the code: settings, ports, paths, verbs, times."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
import yaml

from emojifier_bot import __version__
from emojifier_bot.cli.main import PROGRAM, app
from emojifier_bot.cli.serve import END_SECONDS
from emojifier_bot.config import Settings, settings_table
from emojifier_bot.jobs.worker import DRAIN_SECONDS
from emojifier_bot.jobs.worker import END_SECONDS as WORKER_SECONDS
from emojifier_bot.web.server import GRACE_SECONDS, WebServer
from tests.threads import in_thread
from tests.web_pages import pages_app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
IGNORE = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
MANIFESTS = sorted(DEPLOY.glob("kubernetes/*.yaml"))
OBJECTS = {
    (one["kind"], one["metadata"]["name"]): one
    for file in MANIFESTS
    for one in yaml.safe_load_all(file.read_text("utf-8"))
    if "metadata" in one
}
KNOWN = {row.variable for row in settings_table()}
#: Of Python, the shell and PostgreSQL's image.
OTHERS = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "POSTGRES_PASSWORD"}
BOT_SERVICES = [COMPOSE["services"][name] for name in ("web", "worker")]
WEB = OBJECTS["Deployment", "emojifier-web"]
WORKER = OBJECTS["StatefulSet", "emojifier-worker"]
PORT = Settings().port
METRICS_PORT = Settings().metrics_port
UID = 10001


def parsed(words: list[str]) -> None:
    """Let the command line read what a container is told to run."""
    verb, *options = words
    # With the settings of the whole, which a verb keeps from its first call on.
    whole = click.Context(app, **app.context_settings)
    app.get_command(whole, verb).make_context(verb, options, parent=whole)


def pod(thing: dict) -> dict:
    return thing["spec"]["template"]["spec"]


def instructions(name: str) -> list[str]:
    code = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", code, re.MULTILINE)


def unit(file: Path) -> dict[str, list[str]]:
    """Return a unit's [Service], each name with all its values."""
    text = file.read_text("utf-8").partition("[Service]")[2].partition("\n[")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


# Memory, in megabytes.

#: A worker at work on small pictures, and a web process: docs/scaling.md.
WORKER_MB, WEB_MB = 150, 250
#: Of the process for the largest picture, of a decoder beside its limit, and for an
#: ordinary picture of another workspace.
PICTURE_MB, DECODER_MB, OTHER_MB = 600, 50, 400
UNITS_OF_BYTES = {"M": 10**6, "G": 10**9, "Mi": 2**20, "Gi": 2**30}


def megabytes(text: str, *, binary: bool = False) -> float:
    number, name = re.fullmatch(r"(\d+)(\w+)", text).groups()
    name = f"{name.upper()}i" if binary else name
    return int(number) * UNITS_OF_BYTES[name] / 1e6


def most_of_a_worker(decode_mb: str, concurrency: str | None = None) -> float:
    pictures = int(concurrency or Settings().worker_concurrency)
    largest = PICTURE_MB + DECODER_MB + int(decode_mb)
    return WORKER_MB + pictures * (largest + OTHER_MB)


def test_the_largest_pictures_fit_into_pod_and_container():
    told = OBJECTS["ConfigMap", "emojifier-settings"]["data"]
    most = most_of_a_worker(
        told["EMOJIFIER_DECODE_MEMORY_MB"], told["EMOJIFIER_WORKER_CONCURRENCY"]
    )
    (container,) = pod(WORKER)["containers"]
    assert megabytes(container["resources"]["limits"]["memory"]) >= most

    worker = COMPOSE["services"]["worker"]
    most = most_of_a_worker(worker["environment"]["EMOJIFIER_DECODE_MEMORY_MB"])
    assert megabytes(worker["mem_limit"], binary=True) >= most


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_the_largest_pictures_fit_into_a_unit(file):
    told = unit(file)
    settings = dict(one.split("=", 1) for one in told["Environment"])
    most = most_of_a_worker(settings["EMOJIFIER_DECODE_MEMORY_MB"])
    if told["ExecStart"][0].endswith("serve"):
        most += WEB_MB

    for limit in ("MemoryHigh", "MemoryMax"):
        assert megabytes(told[limit][0], binary=True) >= most


def test_the_page_on_scaling_tells_the_same_memory():
    page = " ".join((ROOT / "docs" / "scaling.md").read_text("utf-8").split())
    decode_mb = OBJECTS["ConfigMap", "emojifier-settings"]["data"][
        "EMOJIFIER_DECODE_MEMORY_MB"
    ]

    decoder_mb = DECODER_MB + int(decode_mb)
    assert f"{WORKER_MB} + 2 × ({PICTURE_MB} + {decoder_mb} + {OTHER_MB})" in page


# The image.


def test_the_image_holds_what_it_copies():
    copied = [
        name
        for line in instructions("COPY")
        if not line.startswith("--from")
        for name in line.split()[:-1]
    ]

    assert {"emojifier_bot", "requirements/base.txt", "pyproject.toml"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} <= set(IGNORE)


@pytest.mark.parametrize("name", [".env", ".git/config", "runs/x", "tests/conftest.py"])
def test_nothing_else_is_sent_to_the_builder(name):
    assert IGNORE[1] == "*"
    allowed = [one[1:] for one in IGNORE if one.startswith("!")]
    assert not any(fnmatch(name, one) or name.startswith(f"{one}/") for one in allowed)


def test_the_image_checks_every_download_and_compiles_nothing():
    first, second, third = [line for line in instructions("RUN") if "pip" in line]

    for option in ("--require-hashes", "--only-binary :all:"):
        assert first.count(option) == first.count(" -r ") > 0
    assert "--no-index" in second
    assert "uninstall" in third


def test_the_image_runs_without_rights():
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert f"USER {UID}:{UID}" in final
    assert f"--owner {UID} --group {UID} --mode 0700 /var/lib/emojifier" in final
    assert "--no-create-home" in final
    assert final.index("USER") > final.rindex("RUN")


def test_the_images_settings_exist():
    (line,) = [one for one in instructions("ENV") if "DATABASE_URL" in one]
    variables = dict(one.split("=", 1) for one in line.split())

    assert set(variables) <= KNOWN | OTHERS
    assert int(variables["PORT"]) == PORT
    assert instructions("EXPOSE") == [str(PORT), str(METRICS_PORT)]
    assert variables["DATABASE_URL"].startswith("sqlite:////var/lib/emojifier/")


def test_the_image_starts_the_bot():
    assert json.loads(instructions("ENTRYPOINT")[0]) == [PROGRAM]
    parsed(json.loads(instructions("CMD")[0]))


@pytest.fixture
def listening():
    server = WebServer(pages_app(), host="127.0.0.1", port=0, threads=2)
    with in_thread(server.run, server.stop):
        yield server.port


def test_the_health_check_tells_life_from_death(listening):
    (check,) = instructions("HEALTHCHECK")
    name, *arguments = json.loads(check.partition("CMD ")[2])
    assert name == "python"

    for port, code in ((listening, 0), (1, 1)):
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env={"PORT": str(port)}, capture_output=True, check=False
        )
        assert done.returncode == code


# Compose.


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_no_service_has_rights(service):
    told = COMPOSE["services"][service]

    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["mem_limit"]
    assert "privileged" not in told


def test_compose_knows_the_settings_and_the_verbs():
    for service in BOT_SERVICES:
        parsed(service["command"])
        assert set(service["environment"]) <= KNOWN
        assert service["env_file"] == ".env"
        assert any("uid=10001" in one for one in service["tmpfs"])
    assert (ROOT / "deploy" / BOT_SERVICES[0]["build"]["context"]).resolve() == ROOT


def test_compose_waits_in_the_right_order():
    web, worker = BOT_SERVICES

    assert web["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert worker["depends_on"] == {"web": {"condition": "service_healthy"}}
    assert "test" in COMPOSE["services"]["database"]["healthcheck"]


def test_only_the_web_process_is_reached_and_only_from_this_machine():
    ports = {name: one.get("ports") for name, one in COMPOSE["services"].items()}

    assert ports == {"web": [f"127.0.0.1:{PORT}:{PORT}"]} | dict.fromkeys(
        ("worker", "database")
    )
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert COMPOSE["services"]["database"]["networks"] == ["inside"]


def test_no_secret_stands_in_what_is_checked_in():
    for file in [*MANIFESTS, *UNITS, DEPLOY / "compose.yaml", ROOT / "Dockerfile"]:
        text = file.read_text("utf-8")
        assert not re.search(r"xox[a-z]-|xapp-[0-9]", text)
    assert "deploy/.env" not in IGNORE
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert ".env" in ignored


# systemd.


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_a_unit_fits_the_code(file):
    told = unit(file)

    program, *words = told["ExecStart"][0].split()
    parsed(words)
    assert program.endswith(f"/bin/{PROGRAM}")
    named = {one.partition("=")[0] for one in told["Environment"]}
    assert named <= KNOWN | OTHERS
    state = f"/var/lib/{told['StateDirectory'][0]}"
    assert told["WorkingDirectory"] == [state]
    assert f"DATABASE_URL=sqlite:///{state}/emojifier-bot.db" in told["Environment"]
    assert int(told["TimeoutStopSec"][0]) > END_SECONDS > DRAIN_SECONDS + WORKER_SECONDS
    assert told["ProtectSystem"] == ["strict"]
    assert told["NoNewPrivileges"] == ["yes"]


def test_units_are_ini_files():
    for file in UNITS:
        RawConfigParser(strict=False).read_string(file.read_text("utf-8"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path):
    program = tmp_path / PROGRAM
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for file in UNITS:
        text = file.read_text("utf-8")
        text = text.replace(f"/opt/emojifier/bin/{PROGRAM}", str(program))
        (tmp_path / file.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / one.name) for one in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


# Kubernetes.


@pytest.mark.parametrize("thing", [WEB, WORKER], ids=["web", "worker"])
def test_no_pod_has_rights(thing):
    told = pod(thing)
    (container,) = told["containers"]

    runs_as = {"runAsNonRoot": True, "runAsUser": UID}
    assert runs_as.items() <= told["securityContext"].items()
    assert told["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    paths = {one["mountPath"] for one in container["volumeMounts"]}
    assert paths == {"/tmp", "/var/lib/emojifier"}
    parsed(container["args"])


@pytest.mark.parametrize(
    ("thing", "seconds"),
    [(WEB, 5 + 2 * GRACE_SECONDS), (WORKER, DRAIN_SECONDS + WORKER_SECONDS)],
    ids=["web", "worker"],
)
def test_a_pod_is_given_the_time_to_end(thing, seconds):
    assert pod(thing)["terminationGracePeriodSeconds"] > seconds


def test_kubernetes_knows_the_settings():
    settings = OBJECTS["ConfigMap", "emojifier-settings"]["data"]
    secrets = OBJECTS["Secret", "emojifier-secrets"]["stringData"]

    assert set(settings) | set(secrets) <= KNOWN
    assert not set(settings) & set(secrets)
    assert int(settings["PORT"]) == PORT
    assert int(settings["METRICS_PORT"]) == METRICS_PORT
    assert all(isinstance(value, str) for value in settings.values())


def test_probes_ask_what_answers():
    (container,) = pod(WEB)["containers"]
    rules = {rule.rule for rule in pages_app().url_map.iter_rules()}
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    paths = [container[one]["httpGet"]["path"] for one in probes]

    assert paths == ["/healthz", "/healthz", "/readyz"]
    assert set(paths) <= rules
    ports = [(one["name"], one["containerPort"]) for one in container["ports"]]
    assert ports == [("http", PORT), ("metrics", METRICS_PORT)]


def test_the_ingress_passes_on_what_people_and_slack_need():
    (rule,) = OBJECTS["Ingress", "emojifier"]["spec"]["rules"]
    passed = [(one["path"], one["pathType"]) for one in rule["http"]["paths"]]
    inside = {"/healthz", "/readyz"}

    for known in (one.rule for one in pages_app().url_map.iter_rules()):
        path = known.partition("<")[0]
        if path.startswith("/test/"):
            continue
        reached = any(
            path == one or (kind == "Prefix" and path.startswith(f"{one}/"))
            for one, kind in passed
        )
        assert reached == (path not in inside), path


def test_what_selects_finds():
    for kind, name in OBJECTS:
        if kind not in {"Service", "PodDisruptionBudget"}:
            continue
        spec = OBJECTS[kind, name]["spec"]
        wanted = spec["selector"].get("matchLabels", spec["selector"])
        thing = WEB if name.endswith("web") else WORKER
        assert thing["spec"]["template"]["metadata"]["labels"] == wanted
        assert thing["spec"]["selector"]["matchLabels"] == wanted
    assert WORKER["spec"]["serviceName"] == "emojifier-worker"


def test_the_version_has_a_date_and_is_the_same_everywhere():
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")

    headings = re.findall(r"^## (.*)$", changes, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", headings[1])
    assert set(re.findall(r"emojifier-bot:([\d.]+)", page)) == {__version__}


def test_kustomize_names_every_file_and_this_version():
    (chart,) = [one for one in MANIFESTS if one.name == "kustomization.yaml"]
    told = yaml.safe_load(chart.read_text("utf-8"))

    named = {*told["resources"], "kustomization.yaml", "secret.example.yaml"}
    assert named == {file.name for file in MANIFESTS}
    assert told["images"][0]["newTag"] == __version__
    assert told["images"][0]["name"] == pod(WEB)["containers"][0]["image"]
    assert told["images"][0]["name"] == pod(WORKER)["containers"][0]["image"]
