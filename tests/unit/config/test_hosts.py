from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.config import load_settings
from emojifier_bot.config.hosts import (
    is_slacks_address,
    read_hosts,
    read_slacks_hosts,
)
from emojifier_bot.errors import ConfigError
from emojifier_bot.http.addresses import read

#: What is no host, or more than one.
NO_HOSTS = [
    *("*", "*.slack.com", ".slack.com", "10.0.0.0/8", "10.0.0.*", "a b", "\\evil"),
    *("https://files.slack.com", "http://10.0.0.1/", "files.slack.com/"),
    *("files.slack.com.", "files.slack.com?", "files.slack.com#x"),
    *("files.slack.com:", "files.slack.com:0", "files.slack.com:99999"),
    *("files.slack.com:https", "user@files.slack.com"),
    *("files.slack.com files.slack.com", "files.slack.com;slack-files.com"),
    *("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "\uff11\uff10.0.0.1"),
    *("[::1", "[fe80::1%eth0]", "fe80::1%eth0", "b\u00fccher.example"),
]
#: Hosts, but not Slack's.
NOT_SLACKS = [
    *("evil.example", "slack.com.evil.example", "slack-files.com.evil.example"),
    *("files-slack.com", "notslack.com", "slack.co", "myslack-files.com"),
    *("files.slack.com:8443", "10.0.0.1", "93.184.216.34:443"),
    *("sl\u0430ck.com".encode("idna").decode(), "localhost.evil.example:80"),
]


@pytest.mark.parametrize(
    ("listed", "hosts"),
    [
        ("", set()),
        (" , ,", set()),
        ("intranet", {"intranet"}),
        (" Intranet , 10.0.0.1:8080 ", {"intranet", "10.0.0.1:8080"}),
        ("[::1]:80,::1,[fd00::1]", {"[::1]:80", "::1", "[fd00::1]"}),
        ("xn--bcher-kva.example", {"xn--bcher-kva.example"}),
        ("under_score.example:80", {"under_score.example:80"}),
    ],
)
def test_lists_of_hosts(listed, hosts):
    assert read_hosts(listed) == hosts


@pytest.mark.parametrize("entry", NO_HOSTS)
def test_what_is_no_host(entry):
    for read_list in (read_hosts, read_slacks_hosts):
        for listed in (entry, f"files.slack.com,{entry}"):
            with pytest.raises(ValueError, match=r"."):
                read_list(listed)


@given(
    st.text("a10.-_:[]xf", max_size=12)
    | st.ip_addresses().map(str)
    | st.ip_addresses(v=6).map(lambda ip: f"[{ip.exploded}]:80")
)
def test_a_host_that_is_accepted_is_one_that_http_connects_to(entry):
    try:
        hosts = read_hosts(entry)
    except ValueError:
        return
    for host in hosts:
        is_bare = host.count(":") > 1 and "[" not in host
        target = read(f"http://[{host}]" if is_bare else f"http://{host}")
        assert target.is_listed(hosts)


SLACKS = [
    "files.slack.com,slack-files.com",
    "slack.com",
    "FILES.SLACK.COM:443",
    "files.slack-gov.com",
    "127.0.0.1:8000,localhost:1,[::1]:2",
]


@pytest.mark.parametrize("listed", SLACKS)
def test_slacks_hosts(listed):
    assert read_slacks_hosts(listed) == read_hosts(listed)


@pytest.mark.parametrize("listed", NOT_SLACKS)
def test_not_slacks_hosts(listed):
    for several in (listed, f"files.slack.com,{listed}"):
        with pytest.raises(ValueError, match=r"."):
            read_slacks_hosts(several)


@pytest.mark.parametrize(
    ("good", "address"),
    [
        (True, "https://slack.com/api/"),
        (True, "https://acme.slack.com/api/"),
        (True, "https://slack-gov.com/api/"),
        (True, "http://127.0.0.1:4711/api/"),
        (True, "http://[::1]:4711/api/"),
        (True, "http://localhost/api/"),
        (False, ""),
        (False, "slack.com"),
        (False, "http://slack.com/api/"),
        (False, "https://slack.com:8443/api/"),
        (False, "https://slack.com@evil.example/"),
        (False, "https://slack.com.evil.example/"),
        (False, "https://evil.example/slack.com/"),
        (False, "http://10.0.0.1/api/"),
        (False, "ftp://slack.com/"),
        (False, "http://::1/"),
        (False, "https://slack.com/a\x7fb"),
        (False, "https://slack.com/\ud800"),
    ],
)
def test_slacks_addresses(address, good):
    assert is_slacks_address(address) is good


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FETCH_ALLOW_HOSTS", "*.slack.com"),
        ("SLACK_FILE_HOSTS", "evil.example"),
        ("SLACK_API_URL", "https://evil.example/api/"),
        ("SLACK_API_URL", "http://slack.com/api/"),
        ("SLACK_AUTHORIZE_URL", "https://evil.example/"),
    ],
)
def test_a_wrong_setting_is_a_sentence(monkeypatch, tmp_path, variable, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigError) as caught:
        load_settings()

    [problem] = caught.value.problems
    assert problem.startswith(f"{variable} is {value!r}, but must be ")
