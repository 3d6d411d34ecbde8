"""One rule for every call: through which proxy it goes, and whom it trusts."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import closing

import pytest

from emojifier_bot.db.engine import open_database
from emojifier_bot.errors import ConfigError, DeliveryError, FetchError
from emojifier_bot.http import (
    GuardedClient,
    Network,
    Route,
    ServiceCall,
    Timeouts,
    get_with_token,
    post_bytes,
    post_to_service,
    read,
)
from emojifier_bot.slack.app import make_bolt_app
from emojifier_bot.slack.client import make_app_client
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.reader import check_picture
from emojifier_bot.slack.socket_mode import SocketMode
from tests.fakes.internet import Authority
from tests.fakes.proxy import proxying
from tests.fakes.servers import said, serving
from tests.fakes.socket_mode import SocketModeLine
from tests.slack_listeners import make_context

HOST, PUBLIC, PRIVATE = "pictures.test", "93.184.216.34", "10.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 100
PICTURE = said(200, PNG, content_type="image/png")
GOOD = said(200, b'{"ok": true}', content_type="application/json")
PASSWORD = "Basic " + base64.b64encode(b"me:pass@word").decode()
TIMEOUTS = Timeouts(connect_seconds=60, read_seconds=60, total_seconds=120)


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority.new(tmp_path)


@pytest.fixture
def server(authority):
    """Return what stands behind the proxy."""
    paths = {"/a.png": PICTURE, "/api/api.test": GOOD, "/call": GOOD, "/up": GOOD}
    with serving(paths, authority.server(HOST)) as server:
        yield server


@pytest.fixture
def proxy(server):
    with proxying({f"{HOST}:443": server.port}) as proxy:
        yield proxy


def resolver(**names: str):
    def resolve(host: str) -> list[str]:
        known = {HOST: PUBLIC, "127.0.0.1": "127.0.0.1"} | names
        if not known.get(host):
            raise socket.gaierror(socket.EAI_AGAIN, "no such name")
        return [known[host]]

    return resolve


def network(route: Route, **names: str) -> Network:
    return Network(TIMEOUTS, resolver(**names), route)


def fetch_picture(route: Route, url: str = f"https://{HOST}/a.png", **names: str):
    client = GuardedClient(
        allow_hosts=frozenset(),
        max_bytes=1000,
        check_body=check_picture,
        network=network(route, **names),
    )
    return client.get(url).data


def fetch_from_slack(route):
    get_with_token(
        f"https://{HOST}/a.png",
        token="xoxb-1",
        hosts=frozenset({HOST}),
        max_bytes=1000,
        check_body=check_picture,
        network=network(route),
    )


def upload(route):
    post_bytes(
        f"https://{HOST}/up",
        PNG,
        content_type="image/png",
        hosts=frozenset({HOST}),
        network=network(route),
    )


def call_a_service(route):
    post_to_service(ServiceCall(f"https://{HOST}/call", {}, b"{}"), 10, route=route)


def call_slack(route):
    make_app_client(f"https://{HOST}/api/", route).api_test()


CALLS = [fetch_picture, fetch_from_slack, upload, call_a_service, call_slack]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_takes_the_proxy_and_trusts_the_same(call, authority, server, proxy):
    call(Route(https_proxy=proxy.url, ca_file=authority.file))

    assert proxy.heard == [(f"CONNECT {HOST}:443 HTTP/1.1", PASSWORD)]
    (heard,) = server.heard
    assert heard.headers["host"] == HOST
    assert "proxy-authorization" not in heard.headers


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_refuses_is_no_fault_of_the_website(
    call, status, authority, proxy, caplog
):
    proxy.servers, proxy.refuses_with = {}, status
    route = Route(https_proxy=proxy.url, ca_file=authority.file)

    with pytest.raises((FetchError, DeliveryError)) as error:
        call(route)

    assert error.value.kind in {"proxy", "slack_unavailable"}
    assert error.value.retryable
    assert ("fetch", "proxy") in {(one.action, one.kind) for one in caplog.records}
    assert "pass" not in caplog.text


def test_a_proxy_that_is_away_is_told_apart(authority):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    route = Route(https_proxy=f"http://127.0.0.1:{port}", ca_file=authority.file)

    with pytest.raises(FetchError) as error:
        fetch_picture(route)

    assert error.value.kind == "proxy"
    assert "website" not in render_message("addresses.proxy").split(".")[1]


def test_a_name_that_leads_inside_is_refused_before_the_proxy_hears_of_it(
    authority, proxy
):
    route = Route(https_proxy=proxy.url, ca_file=authority.file)
    for url, names in (
        (f"https://{HOST}/a.png", {HOST: PRIVATE}),
        (f"https://{PRIVATE}/a.png", {}),
        ("https://printer.internal/a.png", {}),
    ):
        with pytest.raises(FetchError) as error:
            fetch_picture(route, url, **names)
        assert error.value.kind == "private_address"

    assert proxy.heard == []


def test_a_name_that_only_the_proxy_knows_is_left_to_it(authority, proxy):
    route = Route(https_proxy=proxy.url, ca_file=authority.file)

    assert fetch_picture(route, **{HOST: ""}) == PNG


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False),
        (HOST, True),
        (".test, other", True),
        ("*", True),
        ("tures.test", False),
    ],
)
def test_hosts_that_need_no_proxy(no_proxy, direct):
    route = Route(https_proxy="http://proxy:1", no_proxy=no_proxy)

    assert (route.proxy_for(read(f"https://{HOST}/")) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_what_stays_on_this_machine_takes_no_proxy(host):
    route = Route(https_proxy="http://proxy:1", http_proxy="http://proxy:1")

    assert route.proxy_for(read(f"http://{host}:8000/")) is None


def test_a_plain_address_takes_the_proxy_for_such(server):
    with (
        serving({"/a.png": PICTURE}) as plain,
        proxying({HOST: plain.port}) as proxy,
    ):
        route = Route(https_proxy="http://nobody:1", http_proxy=proxy.url)
        assert fetch_picture(route, f"http://{HOST}/a.png?b=c") == PNG

    assert proxy.heard == [(f"GET http://{HOST}/a.png?b=c HTTP/1.1", PASSWORD)]
    assert server.heard == []


@pytest.mark.parametrize(
    ("self_signed", "kind"), [(False, "unknown_issuer"), (True, "tls")]
)
def test_an_issuer_that_is_unknown_here_is_not_the_websites_fault(
    authority, self_signed, kind
):
    tls = authority.server(HOST, self_signed=self_signed)
    with serving({}, tls) as server, proxying({f"{HOST}:443": server.port}) as proxy:
        with pytest.raises(FetchError) as error:
            fetch_picture(Route(https_proxy=proxy.url))
        with pytest.raises(FetchError) as slacks:
            call_slack(Route(https_proxy=proxy.url))

    assert error.value.kind == slacks.value.kind == kind


def test_socket_mode_takes_the_proxy_and_trusts_the_same(authority, sqlite_url):
    tls = authority.server(HOST)
    with (
        SocketModeLine(tls) as line,
        serving({}, tls) as api,
        proxying({f"{HOST}:443": api.port, "line.test:443": line.port}) as proxy,
        closing(open_database(sqlite_url)) as database,
        closing(make_context(database, f"https://{HOST}/api/")) as context,
    ):
        opened = json.dumps({"ok": True, "url": f"wss://{HOST}:444/link"}).encode()
        proxy.servers = {f"{HOST}:443": api.port, f"{HOST}:444": line.port}
        api.paths["/api/apps.connections.open"] = said(
            200, opened, content_type="application/json"
        )
        route = Route(https_proxy=proxy.url, ca_file=authority.file)
        connection = SocketMode(make_bolt_app(context, ""), "xapp-1", route)
        with closing(connection):
            connection.open()
            assert connection.is_connected()

    lines = [line for line, _ in proxy.heard]
    assert lines[0] == f"CONNECT {HOST}:443 HTTP/1.1"
    assert lines[1].startswith(f"CONNECT {HOST}:444 ")
    assert {password for _, password in proxy.heard} == {PASSWORD}


@pytest.mark.parametrize(
    ("route", "variable"),
    [
        (Route(https_proxy="socks5://proxy:1080"), "HTTPS_PROXY"),
        (Route(https_proxy="http://proxy:none"), "HTTPS_PROXY"),
        (Route(http_proxy="http://"), "HTTP_PROXY"),
        (Route(ca_file="/nowhere.pem"), "SSL_CERT_FILE"),
        (Route(ca_file=__file__), "SSL_CERT_FILE"),
    ],
)
def test_what_makes_no_sense_is_told_by_its_variable(route, variable):
    with pytest.raises(ConfigError, match=variable):
        route.check()


def test_nothing_is_checked_that_is_not_set():
    Route().check()
