"""From an HTTP answer of a hosted API to its contents, or to one of our errors.

Messages name the service and its own code for what happened, never a key, an address
or a picture.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from emojifier_bot.errors import ConfigError, ErrorKind, FetchError, HostedApiError
from emojifier_bot.http import (
    ServiceAnswer,
    ServiceCall,
    is_safe_for_keys,
    post_to_service,
)

#: A code that is shown must look like one: letters, digits and few signs.
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
_KEY = re.compile(r"[!-~]*")
_CREDENTIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
#: Somebody answers, but not the service; redirects too.
_ELSEWHERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})

#: What reading a strange answer raises.
_NONSENSE = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Sorts what one service answers in place of faces."""

    #: As people know it.
    service: str
    #: Finds the service's own code in an answer's JSON; empty for none.
    code_of: Callable[[Any], str]
    #: Codes that say more than the HTTP status does; a code may go on after a colon.
    credentials: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()

    def post(self, call: ServiceCall, timeout_seconds: float) -> Any:
        """Send a request and return the JSON of a good answer.

        Raises:
            HostedApiError: There was none.
        """
        try:
            answer = post_to_service(call, timeout_seconds)
        except FetchError as error:
            # Not "from error": nobody needs to know more, and less can slip out.
            raise self.down(error.kind, retryable=error.retryable) from None
        contents = _json(answer.body)
        if answer.status == HTTPStatus.OK and contents is not None:
            return contents
        if answer.status == HTTPStatus.OK:
            raise self.not_understood()
        raise self.error(answer, contents)

    def error(self, answer: ServiceAnswer, contents: Any) -> HostedApiError:
        """Return the error for an answer that is not OK."""
        code = self._code(contents)
        plain = code.partition(":")[0]
        status = answer.status
        if plain in self.busy or status == HTTPStatus.TOO_MANY_REQUESTS:
            return self.is_busy(code or str(status), answer.retry_after_seconds)
        if plain in self.credentials or status in _CREDENTIALS:
            return self.wrong_credentials(code or str(status))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
            return self.down(code or str(status), answer.retry_after_seconds)
        if status in _ELSEWHERE or status < HTTPStatus.BAD_REQUEST:
            return self.wrong_address(code or str(status))
        return self.refused(code or str(status))

    def down(
        self, code: str, wait_seconds: float | None = None, *, retryable: bool = True
    ) -> HostedApiError:
        """Return the error for a service that does not answer as it should."""
        return HostedApiError(
            f"{self.service} does not answer ({code}). Try again in a minute.",
            kind=ErrorKind.FACE_API_DOWN,
            retryable=retryable,
            retry_after_seconds=wait_seconds,
        )

    def is_busy(self, code: str, wait_seconds: float | None = None) -> HostedApiError:
        """Return the error for too many calls at a time."""
        return HostedApiError(
            f"{self.service} takes no more calls at the moment ({code}). Try again in "
            "a minute, or raise the quota.",
            kind=ErrorKind.FACE_API_BUSY,
            retryable=True,
            retry_after_seconds=wait_seconds,
        )

    def wrong_credentials(self, code: str) -> HostedApiError:
        """Return the error for keys that the service does not take."""
        return HostedApiError(
            f"{self.service} refuses the key ({code}). Check the keys of the settings, "
            "and what they are allowed to do.",
            kind=ErrorKind.FACE_API_CREDENTIALS,
        )

    def wrong_address(self, code: str) -> HostedApiError:
        """Return the error for an address where the service is not.

        Like a wrong key, only another setting mends it.
        """
        return HostedApiError(
            f"{self.service} does not answer there ({code}). Check FACE_API_URL.",
            kind=ErrorKind.FACE_API_CREDENTIALS,
        )

    def refused(self, code: str) -> HostedApiError:
        """Return the error for a request that will never do."""
        return HostedApiError(
            f"{self.service} refuses this picture ({code}). Try another one.",
            kind=ErrorKind.FACE_API_REFUSED,
        )

    def not_understood(self) -> HostedApiError:
        """Return the error for an answer that is none."""
        return HostedApiError(
            f"{self.service} answered something that cannot be understood. Try again "
            "later; if that does not help, choose another back end.",
            kind=ErrorKind.FACE_API_ANSWER,
        )

    @contextmanager
    def understanding(self) -> Iterator[None]:
        """Turn what a strange answer makes the reading code raise into our error."""
        try:
            yield
        except _NONSENSE as error:
            raise self.not_understood() from error

    def _code(self, contents: Any) -> str:
        try:
            code = self.code_of(contents)
            return code if _CODE.fullmatch(code) else ""
        except (KeyError, TypeError, AttributeError, IndexError):
            return ""


def base_address(url: str, vendors_own: str) -> str:
    """Return where a service answers, without a slash at the end.

    Raises:
        ConfigError: Pictures and keys would travel in the open.
    """
    address = (url or vendors_own).rstrip("/")
    if not is_safe_for_keys(address):
        raise ConfigError(
            [
                (
                    "FACE_API_URL must begin with https://, or lead to this machine: "
                    "pictures and keys would travel in the open."
                )
            ]
        )
    return address


def check_keys(keys: Mapping[str, str]) -> None:
    """Check that keys can be sent.

    Args:
        keys: Variables and their values; empty ones are not set.

    Raises:
        ConfigError: Some cannot be keys; it names all of them.
    """
    wrong = [name for name, key in keys.items() if not _KEY.fullmatch(key)]
    if wrong:
        raise ConfigError(
            [
                f"{name} holds a space, a line break or a letter that no key has: copy "
                "it anew."
                for name in wrong
            ]
        )


def needed_keys(backend: str, keys: dict[str, str]) -> tuple[str, ...]:
    """Return the values of settings that a back end cannot do without.

    Args:
        backend: Its name.
        keys: Variables and their values.

    Raises:
        ConfigError: Some are empty; it names all of them.
    """
    missing = [name for name, value in keys.items() if not value]
    if missing:
        raise ConfigError(
            [
                f"{name} is missing: FACE_BACKEND={backend} needs it; docs/backends.md "
                "says where to get it."
                for name in missing
            ]
        )
    return tuple(keys.values())


def _json(body: bytes) -> Any:
    try:
        return json.loads(
            body, parse_constant=_finite, parse_float=_finite, parse_int=_whole
        )
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    """Read a number; NaN and those beyond all bounds are none."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
