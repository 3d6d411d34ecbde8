"""How this machine reaches others: through which proxy, and whose certificates count.

One rule for every call. Through a proxy a connection is a tunnel that the proxy makes
to a name; where that name leads is the proxy's to look up and to allow.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined] # not in its stub
    proxy_bypass_environment,
)

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from emojifier_bot.errors import ConfigError, ErrorKind
from emojifier_bot.http.addresses import Target

DEFAULT_PROXY_PORT = 80
#: Why a server cannot be reached, where the fault is on our side.
OWN_FAULTS: Mapping[str, str] = {
    ErrorKind.PROXY: "The proxy of HTTPS_PROXY does not answer, or does not let the "
    "bot through: check its address and its password, and that it allows this host.",
    ErrorKind.UNKNOWN_ISSUER: "The certificate's issuer is not known here: if a proxy "
    "of your company opens TLS, name a file with its certificate in SSL_CERT_FILE.",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    host: str
    port: int
    #: Value of the header ``Proxy-Authorization``; empty for none.
    authorization: str = field(default="", repr=False)

    @classmethod
    def read(cls, variable: str, address: str) -> Proxy:
        """Read a proxy's address.

        Raises:
            ConfigError: It is none of an HTTP proxy.
        """
        whole = address if "://" in address else f"http://{address}"
        try:
            parts = urlsplit(whole)
            host, port = parts.hostname, parts.port or DEFAULT_PROXY_PORT
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme != "http":
            problem = (
                f"{variable} must be the address of an HTTP proxy, such as "
                "http://USER:PASSWORD@proxy.example.com:3128."
            )
            raise ConfigError([problem])
        if parts.username is None:
            return cls(host, port)
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(host, port, f"Basic {b64encode(words.encode()).decode()}")


@dataclass(frozen=True, slots=True)
class Route:
    """How servers are reached."""

    #: For https and http addresses; empty for none. They may hold a password.
    https_proxy: str = field(default="", repr=False)
    http_proxy: str = field(default="", repr=False)
    #: Hosts that are reached without them: names with all below them, or ``*``.
    no_proxy: str = ""
    #: Certificates to trust in place of the usual ones, a file in PEM format.
    ca_file: str = ""

    def proxy_address(self, target: Target) -> str:
        """Return the address of the proxy on the way to a target, empty for none."""
        host = target.host.strip("[]")
        passed_by = proxy_bypass_environment(
            f"{host}:{target.port}", {"no": self.no_proxy}
        )
        # What stays on this machine may hold keys in the clear.
        if passed_by or target.is_loopback():
            return ""
        return self.https_proxy if target.scheme == "https" else self.http_proxy

    def proxy_for(self, target: Target) -> Proxy | None:
        """Return the proxy on the way to a target.

        Raises:
            ConfigError: Its address makes no sense.
        """
        address = self.proxy_address(target)
        variable = f"{target.scheme.upper()}_PROXY"
        return Proxy.read(variable, address) if address else None

    def tls_context(self) -> ssl.SSLContext:
        """Return what certificates are checked against.

        Raises:
            ConfigError: The file of certificates cannot be read.
        """
        return _tls_context(self.ca_file)

    def check(self) -> None:
        """Read everything, as the first call would.

        Raises:
            ConfigError: Some of it makes no sense.
        """
        problems = []
        for scheme, address in (("HTTPS", self.https_proxy), ("HTTP", self.http_proxy)):
            try:
                if address:
                    Proxy.read(f"{scheme}_PROXY", address)
            except ConfigError as error:
                problems += error.problems
        try:
            self.tls_context()
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)


#: No proxy, and the usual certificates.
DIRECT = Route()


@cache
def _tls_context(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        context = ssl.create_default_context()
        # Some systems have no certificates where Python looks for them.
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        problem = (
            f"SSL_CERT_FILE names {ca_file}, which cannot be read as certificates in "
            f"PEM format ({error.strerror or 'no certificate in it'})."
        )
        raise ConfigError([problem]) from error
