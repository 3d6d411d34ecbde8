"""An internet of one's own: public addresses, names that change their mind, and TLS."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.threads import PATIENCE_SECONDS, in_thread

#: A name server's answer: fits into one packet.
_PACKET_BYTES = 512
_TYPE_A, _CLASS_IN, _NO_SUCH_NAME = 1, 1, 3


@dataclass(slots=True)
class NameServer:
    """A DNS server over UDP that gives other answers every time.

    The last of a name's answers stays.
    """

    #: Name to its answers, one after the other, each a list of IPv4 addresses.
    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def resolve(self, host: str) -> list[str]:
        """Ask this server as a client does, without a cache."""
        question = b"".join(
            bytes([len(label)]) + label.encode() for label in host.split(".")
        )
        query = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + question + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            asked = query + struct.pack(">2H", _TYPE_A, _CLASS_IN)
            sock.sendto(asked, ("127.0.0.1", self.port))
            packet = sock.recv(_PACKET_BYTES)
        return _addresses(packet, len(asked))

    def answer(self, packet: bytes) -> bytes:
        labels, position = [], 12
        while packet[position]:
            labels.append(packet[position + 1 : position + 1 + packet[position]])
            position += 1 + packet[position]
        name = b".".join(labels).decode()
        [kind] = struct.unpack(">H", packet[position + 1 : position + 3])
        if kind != _TYPE_A:
            # Nothing of that kind is known; whether the name is, is not said.
            return packet[:2] + struct.pack(">5H", 0x8180, 1, 0, 0, 0) + packet[12:]
        rounds = self.answers.get(name, [[]])
        found = rounds[min(self.asked.count(name), len(rounds) - 1)]
        self.asked.append(name)
        flags = 0x8180 if found else 0x8180 | _NO_SUCH_NAME
        head = packet[:2] + struct.pack(">5H", flags, 1, len(found), 0, 0)
        records = b"".join(
            # The name is that of the question; good for no second at all.
            struct.pack(">3HIH", 0xC00C, _TYPE_A, _CLASS_IN, 0, 4)
            + ipaddress.IPv4Address(one).packed
            for one in found
        )
        return head + packet[12:] + records


def _addresses(packet: bytes, answers_at: int) -> list[str]:
    flags, _, count = struct.unpack(">3H", packet[2:8])
    if flags & 0xF == _NO_SUCH_NAME:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    starts = (answers_at + 16 * index + 12 for index in range(count))
    return [str(ipaddress.IPv4Address(packet[at : at + 4])) for at in starts]


@contextlib.contextmanager
def name_server(
    answers: Mapping[str, Sequence[Sequence[str]]], port: int = 0
) -> Iterator[NameServer]:
    """Run a name server for as long as the block lasts."""
    server = NameServer(answers)
    stopped = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        sock.settimeout(0.05)
        server.port = sock.getsockname()[1]

        def run() -> None:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    packet, client = sock.recvfrom(_PACKET_BYTES)
                    sock.sendto(server.answer(packet), client)

        with in_thread(run, stopped.set):
            yield server


@dataclass(slots=True)
class Internet:
    """Leads connections to other machines to servers on this one.

    It stands where the network begins: in `socket.socket.connect`. A connection to an
    address without an entry is refused, one to this machine too.
    """

    #: ``(IP address, port)`` to a port of this machine.
    servers: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Every address that was connected to, in order.
    reached: list[tuple[str, int]] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.socket.connect

        def connect(sock: socket.socket, address: tuple[str, int]) -> None:
            self.reached.append(address)
            if address not in self.servers:
                raise ConnectionRefusedError
            real(sock, ("127.0.0.1", self.servers[address]))

        monkeypatch.setattr(socket.socket, "connect", connect)


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates for servers."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Test authority")
        built = _certificate(name, name, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        return cls(folder, key, built.sign(key, hashes.SHA256()))

    @property
    def file(self) -> str:
        """Return the path of its own certificate."""
        path = self.folder / "authority.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def server(
        self, host: str, *, self_signed: bool = False, days: tuple[int, int] = (-1, 1)
    ) -> ssl.SSLContext:
        """Return what a server needs to be ``host``, an IP address or a name.

        Its certificate is valid between two days, counted from today.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(host)
        issuer = subject if self_signed else self.certificate.subject
        built = _certificate(subject, issuer, key, days).add_extension(
            x509.SubjectAlternativeName([_general_name(host)]), critical=False
        )
        signed = built.sign(key if self_signed else self.key, hashes.SHA256())
        path = self.folder / f"{host}-{self_signed}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: tuple[int, int] = (-1, 1),
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
