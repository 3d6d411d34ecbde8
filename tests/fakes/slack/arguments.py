"""Reads a call's arguments from wherever Slack looks for them, and checks them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.slack.catalogue import METHODS, OPEN_METHODS, Argument
from tests.fakes.slack.exchange import Request

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
#: Accepted, but nothing is read from it.
PLAIN = "text/plain"
POST_TYPES = frozenset({FORM, MULTIPART, JSON, PLAIN})
CHARSETS = frozenset({"", "utf-8", "iso-8859-1"})
BOOLEANS = frozenset({True, False, "0", "1", "true", "false"})  # 0 and 1 too


class Refusal(Exception):  # noqa: N818 - it is an answer, not a mistake of the fake
    """Slack says no, with a code and perhaps more."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more

    @property
    def answer(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code} | self.more


def invalid_arguments(*messages: str) -> Refusal:
    """Return the refusal of arguments, with a line for each."""
    told = [f"[ERROR] {message}" for message in messages]
    return Refusal("invalid_arguments", response_metadata={"messages": told})


@dataclass
class Arguments:
    values: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    #: Client id and secret, by basic authentication.
    basic: tuple[str, str] | None = None
    #: Set where the body could not be read.
    refusal: Refusal | None = None
    #: The body was JSON, which not every method reads.
    from_json: bool = False
    #: A token came where Slack does not look for it.
    misplaced_token: bool = False


def read_arguments(method: str, request: Request) -> Arguments:
    """Return the arguments of address, body and headers; the body's win.

    A token counts in the header or in a form, not in an address or in JSON.
    """
    found = Arguments(dict(request.params), basic=_basic(request))
    has_token = method not in OPEN_METHODS
    found.misplaced_token = has_token and bool(found.values.pop("token", ""))
    if request.verb == "POST" and request.body:
        try:
            found.values |= _body(method, request, found)
        except Refusal as refusal:
            found.refusal = refusal
    found.values = {k: v for k, v in found.values.items() if v is not None}
    in_body = str(found.values.pop("token", "")) if has_token else ""
    found.misplaced_token |= found.from_json and bool(in_body)
    found.token = request.bearer or ("" if found.from_json else in_body)
    return found


def _body(method: str, request: Request, found: Arguments) -> dict[str, Any]:
    kind = request.content_type
    if not kind:
        raise Refusal("missing_post_type")
    if kind not in POST_TYPES:
        raise Refusal("invalid_post_type")
    if request.charset not in CHARSETS:
        raise Refusal("invalid_charset")
    if kind == JSON:
        found.from_json = True
        # A method that does not read JSON sees no arguments at all.
        reads = method in METHODS and METHODS[method].reads_json
        return _json_object(request) if reads else {}
    if kind == MULTIPART:
        return {name: data.decode() for name, data in read_multipart(request).items()}
    if kind == PLAIN:
        return {}
    return dict(parse_qsl(request.body.decode(errors="replace"), True))


def _json_object(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise Refusal("invalid_form_data") from error
    if not isinstance(found, dict):
        raise Refusal("invalid_form_data")
    return found


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(rest).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def read_multipart(request: Request) -> dict[str, bytes]:
    """Return the parts of a multipart body by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    whole = BytesParser().parsebytes(head + request.body)
    if not whole.is_multipart():
        raise Refusal("invalid_form_data")
    parts: Any = whole.get_payload()
    where = "content-disposition"
    return {
        str(part.get_param("name", "", header=where)): part.get_payload(decode=True)
        for part in parts
    }


def mistakes_in(
    method: str, values: Mapping[str, Any], allowed: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """Return the kind of each mistake in names and types, and its message.

    Names in ``allowed`` are fine although the method's list has them not.
    """
    known = METHODS[method].arguments
    missing = [name for name in METHODS[method].required if values.get(name, "") == ""]
    found = [
        ("unknown_argument", f"unknown argument: {name}")
        for name in values
        if name not in known and name not in allowed
    ]
    found += [("missing_argument", f"missing required field: {n}") for n in missing]
    return found + [
        ("wrong_type", f"must provide {known[name].kind}: {name}")
        for name, value in values.items()
        if name in known and not _fits(known[name], value)
    ]


def _fits(argument: Argument, value: Any) -> bool:
    if argument.kind == "int":
        return str(value).lstrip("-").isdecimal()
    if argument.kind == "bool":
        return isinstance(value, (str, int)) and value in BOOLEANS
    if argument.kind == "json":
        return isinstance(value, (str, list, dict))
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def read_json(value: Any) -> Any:
    """Return what a JSON argument says, whether it came as text or as JSON."""
    return json.loads(value) if isinstance(value, str) else value
