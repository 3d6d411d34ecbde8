import contextlib
import socket
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import FetchError
from emojifier_bot.http import GuardedClient, Network, Timeouts, check_address
from emojifier_bot.http.addresses import is_public, read, read_public

NOBODY = frozenset()

#: Addresses that one strict grammar does not read.
NOT_ADDRESSES = [
    "",
    " ",
    "party.jpg",
    "example.com/party.jpg",
    "example.com:80/party.jpg",
    "//example.com/party.jpg",
    "http:",
    "http://",
    "http:///etc/passwd",
    "http:example.com",
    "http:/example.com",
    "https:\\\\example.com",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: 127.0.0.1",
    "http://example.com/\x00.png",
    "http://example.com/\ud800",
    "http://example.com/" + "a" * 9000,
    # A user name and a password, or what pretends to be a host.
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1\\.example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://@127.0.0.1/",
]
#: Hosts that other programs may read in another way.
NOT_HOSTS = """
2130706433 017700000001 0x7f000001 0x7F.0.0.1 0x7f.0x0.0x0.0x1 0 0177.0.0.1 127.0.0.01
127.1 127.0.1 1.2.3.4.5 256.256.256.256 example.0x example.123 127.0.0.1. localhost.
example.com. .example.com example..com . %31%32%37.0.0.1 127.0.0.1%2f@example.com
example.com%00.png [fe80::1%25eth0] [fe80::1%eth0] [2606:4700::1%1] [::1 ::1 []
[127.0.0.1] [::1]extra [v1.a]
"""
#: The same, with other alphabets that look like digits, dots or letters, and long.
MORE_NOT_HOSTS = [
    "-example.com",
    f"{'a' * 64}.com",
    f"{'a.' * 130}com",
    "①②⑦.⓪.⓪.①",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127。0。0。1",
    "127\uff0e0\uff0e0\uff0e1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loc\u00adalhost",
    "local\u200bhost",
    "example.com\u2028",
    "ﬁle.example.com",
    "℀.example.com",
]
#: Hosts that are this machine, a private network, or lead elsewhere than they seem.
PRIVATE_HOSTS = """
127.0.0.1 127.0.0.1: 127.8.9.10 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.254
192.168.1.1 100.64.0.1 100.100.100.200 169.254.169.254 169.254.170.2 168.63.129.16
192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.7 203.0.113.7 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 [::1] [::] [0:0:0:0:0:0:0:1]
[::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:93.184.216.34] [::ffff:0:127.0.0.1]
[::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::93.184.216.34] [64:ff9b:1::a00:1]
[2002:7f00:1::] [2002:5db8:d822::1] [2001:db8::1] [100::1] [fc00::1]
[2001:0:53aa:64c:0:0:80ff:fffe] [fd00:ec2::254] [fe80::1] [fec0::1] [ff02::1]
[5f00::1] localhost LocalHost app.localhost printer.local intranet metadata
localhost.localdomain metadata.google.internal router.home.arpa \u212aubernetes
"""
PORTS = "22 8080 6379 0 65536 99999999999999 -80 +80 080 ٨٠ 80:80 http"
SCHEMES = [
    "file:///etc/passwd",
    "ftp://example.com/party.jpg",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stat",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "slack://file",
]
#: What is refused before any name is looked up.
REFUSED_AT_SIGHT = [
    *((address, "not_an_address") for address in NOT_ADDRESSES),
    *(
        (f"http://{host}/", "not_an_address")
        for host in [*NOT_HOSTS.split(), *MORE_NOT_HOSTS]
    ),
    *((f"http://{host}/", "private_address") for host in PRIVATE_HOSTS.split()),
    *((f"http://example.com:{port}/", "port") for port in PORTS.split()),
    *((address, "scheme") for address in SCHEMES),
]

#: Names that the resolver below knows, and what they lead to.
NAMES = {
    "one.test": ["127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "six.test": ["::1"],
    "scoped.test": ["fe80::1%eth0"],
    "nat.test": ["64:ff9b::a9fe:a9fe"],
    "mixed.test": ["93.184.216.34", "10.0.0.1"],
    "late.test": ["93.184.216.34", "93.184.216.35", "fd00::1"],
    "odd.test": ["not an address"],
    "xn--bcher-kva.test": ["192.168.0.1"],
    "7f000001.test": ["127.0.0.1"],
    "under_score.test": ["169.254.169.254"],
}

REFUSED_BY_NAME = [
    *((f"http://{name}/party.jpg", "private_address") for name in NAMES),
    ("https://ONE.test/", "private_address"),
    ("http://bücher.test/", "private_address"),
    ("http://BÜCHER.test/", "private_address"),
    ("http://nobody.test/", "unresolvable"),
    ("http://empty.test/", "unresolvable"),
]


def known_names(host: str) -> list[str]:
    if host == "empty.test":
        return []
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return NAMES[host]


TIMEOUTS = Timeouts(connect_seconds=20, read_seconds=20, total_seconds=20)


def client(resolver=known_names, *allow_hosts: str) -> GuardedClient:
    return GuardedClient(
        allow_hosts=frozenset(allow_hosts),
        max_bytes=1000,
        check_body=lambda _data: None,
        network=Network(TIMEOUTS, resolver),
    )


def refused_resolver(_host: str) -> list[str]:
    pytest.fail("a name was looked up")


@pytest.mark.parametrize(("address", "kind"), REFUSED_AT_SIGHT)
def test_nasty_addresses_are_refused_at_sight(address, kind):
    with pytest.raises(FetchError) as checked:
        check_address(address)
    with pytest.raises(FetchError) as fetched:
        client(refused_resolver).get(address)

    assert checked.value.kind == fetched.value.kind == kind
    assert checked.value.message.endswith(".")
    assert not checked.value.retryable


@pytest.mark.parametrize(("address", "kind"), REFUSED_BY_NAME)
def test_names_that_lead_inside_are_refused_before_connecting(address, kind):
    check_address(address)

    with pytest.raises(FetchError) as error:
        client().get(address)

    assert error.value.kind == kind


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM/A.jpg", "https://example.com/A.jpg"),
        (" https://example.com/a.jpg\n", "https://example.com/a.jpg"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://example.com/a?b=c/d#e", "https://example.com/a?b=c/d"),
        ("https://example.com#@127.0.0.1/", "https://example.com/"),
        ("https://example.com/@127.0.0.1/", "https://example.com/@127.0.0.1/"),
        ("https://example.com/a b\\c", "https://example.com/a%20b%5Cc"),
        ("https://example.com/ä%20", "https://example.com/%C3%A4%20"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://under_score.example.com/", "https://under_score.example.com/"),
        ("http://93.184.216.34/", "http://93.184.216.34/"),
        (
            "http://[2606:4700:0:0::1111]/a",
            "http://[2606:4700::1111]/a",
        ),
        ("http://1.2.3.4.example.com/", "http://1.2.3.4.example.com/"),
        ("https://localhost.example.com/", "https://localhost.example.com/"),
    ],
)
def test_usual_addresses_are_read_into_one_form(address, url):
    check_address(address)

    assert read_public(address, NOBODY).url == url


@pytest.mark.parametrize(
    ("address", "entry", "allowed"),
    [
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8001/", "127.0.0.1:8000", False),
        ("http://127.0.0.2:8000/", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000/", "127.0.0.1", False),
        ("http://127.0.0.1/", "127.0.0.1", True),
        ("https://127.0.0.1/", "127.0.0.1", True),
        ("http://127.0.0.1/", "127.0.0.1:443", False),
        ("https://127.0.0.1/", "127.0.0.1:443", True),
        ("http://intranet/", " Intranet ", True),
        ("http://intranet.evil.com:81/", "intranet:81", False),
        ("http://[::1]:8000/", "[::1]:8000", True),
        ("http://[0:0::1]:8000/", "[::1]:8000", True),
        ("http://[::1]/", "::1", True),
        ("http://127.0.0.1/", "", False),
        ("http://127.0.0.1/", "*", False),
    ],
)
def test_allowed_hosts_are_exactly_these(address, entry, allowed):
    allow_hosts = frozenset({entry})

    if allowed:
        check_address(address, allow_hosts=allow_hosts)
    else:
        with pytest.raises(FetchError):
            check_address(address, allow_hosts=allow_hosts)


@pytest.mark.parametrize(
    "address", ["http://user@127.0.0.1:81/", "http://127.1:81/", "ftp://127.0.0.1:81/"]
)
def test_an_allowed_host_is_still_read_strictly(address):
    with pytest.raises(FetchError):
        check_address(address, allow_hosts=frozenset({"127.0.0.1:81", "127.1:81"}))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("", False),
        ("93.184.216.34", True),
        ("8.8.8.8", True),
        ("172.15.255.255", True),
        ("172.32.0.0", True),
        ("100.63.255.255", True),
        ("100.128.0.0", True),
        ("2606:4700::1111", True),
        ("2a00:1450:4001::1", True),
        ("2001:4860:4860::8888", True),
        ("2606:4700::1111%1", False),
        ("1fff::1", False),
        ("4000::1", False),
    ],
)
def test_public_is_what_everybody_can_open(address, public):
    assert is_public(address) is public


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for address in (text, f"http://{text}", f"https://{text}/a.png"):
        with contextlib.suppress(FetchError):
            check_address(address)


#: What hosts are made of, so that some of them make sense.
HOST_LETTERS = st.text(
    st.one_of(st.sampled_from("0123456789abcdefx.:[]%@\\/-_ "), st.characters())
)


@given(HOST_LETTERS)
def test_any_host_is_refused_or_looked_up(host):
    with pytest.raises(FetchError):
        client().get(f"http://{host}/a.png")


@given(HOST_LETTERS)
def test_reading_what_was_read_changes_nothing(host):
    try:
        target = read(f"http://{host}/a")
    except FetchError:
        return

    assert read(target.url) == target


#: Where addresses change from one part to the next, and what confuses readers there.
PIECES = st.lists(
    st.sampled_from([
        "a", "b.test", "127.0.0.1", "[::1]", ":80", ":", "/", "//", "\\", "@", "?",
        "#", "%2f", "%40", "..", " ", "&", "ä", "http:", "https://", "\u00ad", "'", "~",
    ]),
    max_size=8,
)  # fmt: skip


@given(PIECES)
def test_the_library_reads_the_same_host_as_we_do(pieces):
    try:
        target = read("http://" + "".join(pieces))
    except FetchError:
        return
    prepared = urlsplit(requests.Request("GET", target.url).prepare().url)

    assert prepared.hostname == target.host.strip("[]")
    assert (prepared.port or 80) == target.port
    assert prepared.username is None
