"""Requests and answers as plain values, apart from any socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    verb: str
    path: str
    query: str
    #: Names in small letters.
    headers: Mapping[str, str]
    body: bytes
    #: The caller's end of the connection.
    peer_port: int = 0

    @property
    def params(self) -> dict[str, str]:
        """Return the arguments of the address."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        """Return the bare type, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """Return the charset that the content type names; empty for none."""
        _, _, rest = self.headers.get("content-type", "").lower().partition("charset=")
        return rest.partition(";")[0].strip(" \"'")

    @property
    def bearer(self) -> str:
        """Return the token of the ``Authorization`` header; empty for none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Answer with a JSON value."""
        return cls(status, JSON_TYPE, json.dumps(value).encode(), headers or {})

    @classmethod
    def html(
        cls, page: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Answer with a page."""
        return cls(status, HTML_TYPE, page.encode(), headers or {})

    @classmethod
    def redirect(cls, address: str) -> Reply:
        """Send the caller elsewhere."""
        return cls(302, HTML_TYPE, b"", {"Location": address})

    @property
    def told(self) -> Any:
        """Return what the records keep of it."""
        if self.content_type == JSON_TYPE:
            return json.loads(self.body)
        if self.content_type == HTML_TYPE:
            return self.body[:200].decode(errors="replace")
        return f"{len(self.body)} bytes of {self.content_type}"
