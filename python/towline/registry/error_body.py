"""Error responses of a registry (REG-030 to REG-036).

Status and body become the facts of a `RegistryError`; `towline.wording` has the sentences.
Source: the error bodies of the distribution specification, and those that real servers send.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, urlsplit

from towline.errors import RegistryError
from towline.frozen import frozen
from towline.go.go_json import GoJsonError, decode, list_of, string, struct
from towline.registry.credentials import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ErrorBody",
    "ErrorEntry",
    "Requested",
    "parse_web_url",
    "printable",
    "read_error_body",
    "reason_phrase",
    "redact_url",
    "response_error",
]

Requested = Literal["blob", "config", "manifest"]

BODY_MAX = 64 * 1024  # bytes of an error body that are read

# Without spaces and control characters, which could end the request line or add a header.
_ADDRESS = re.compile(r"[\x21-\x7e]+")

# Names from RFC 7231 and RFC 4918; those in Python's http module differ between its versions.
_PHRASES = {
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Entity",
}
_CODES = {
    401: "registry.unauthorized",
    403: "registry.forbidden",
    404: "registry.not_found",
    429: "registry.rate_limited",
}


@frozen
class ErrorEntry:
    """One entry of a list of errors, as written; `detail` is whether it had a detail."""

    code: str
    message: str
    detail: bool


@frozen
class ErrorBody:
    """The body of an error response.

    Attributes:
        entries: of its list of errors.
        details: a text that old servers send instead of the list.
        fault: why the body is not JSON of the expected shape, ``""`` if it is.
        text: the body itself, bytes that are not UTF-8 as surrogate escapes.
        reason: the reason that it states, in any common form.
    """

    entries: tuple[ErrorEntry, ...] = ()
    details: str = ""
    fault: str = ""
    text: str = ""
    reason: str = ""


def read_error_body(data: bytes, secrets: Iterable[str] = ()) -> ErrorBody:
    """Parse the body of an error response; never raises, whatever the server sent.

    Args:
        data: the body.
        secrets: texts that are replaced, since servers repeat what was sent to them.
    """
    from towline.registry.refusal_reason import refusal_reason  # rarely needed

    known = tuple(secrets)
    text = redact(data.decode("utf-8", "surrogateescape"), known)
    reason = refusal_reason(data, known)
    try:
        document = struct(decode(data))
        details = redact(document.get_lenient("details", string, ""), known)
        if details:
            return ErrorBody(details=details, text=text, reason=reason)
        read_entries = list_of(_entry, ErrorEntry("", "", detail=False))
        entries = document.get("errors", read_entries, list[ErrorEntry]())
    except GoJsonError as fault:
        return ErrorBody(fault=str(fault), text=text, reason=reason)
    shown = (
        ErrorEntry(redact(each.code, known), redact(each.message, known), each.detail)
        for each in entries
    )
    return ErrorBody(tuple(shown), text=text, reason=reason)


def response_error(
    wanted: Requested,
    *,
    status: int,
    status_line: str,
    body: bytes,
    url: str,
    secrets: Iterable[str] = (),
    **facts: Any,
) -> RegistryError:
    """The error for a response with an unexpected status.

    Args:
        wanted: the kind of document that was requested.
        status: the number.
        status_line: status and reason as the server wrote them.
        body: the beginning of the body.
        secrets: texts that no fact may contain, since servers repeat what was sent.
        url: the requested URL; only the parts without secrets become facts.
        facts: ``repository``, ``reference``, and those of `Login.facts`.
    """
    return RegistryError(
        _CODES.get(status, "registry.unexpected_status"),
        wanted=wanted,
        status=status,
        reason=reason_phrase(status),
        status_line=printable(redact(status_line, secrets)),
        answers=read_error_body(body, secrets),
        url=redact_url(url),
        host=urlsplit(url).netloc.rpartition("@")[2],
        **facts,
    )


def reason_phrase(status: int) -> str:
    """The name of a status, such as ``Not Found``; ``""`` if it has none."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def redact_url(url: str) -> str:
    """A URL for messages: without user, query and fragment, which may contain secrets."""
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def printable(text: str) -> str:
    """The text with ``?`` for each character that is not printable, such as terminal escapes."""
    return "".join(char if char.isprintable() else "?" for char in text)


def parse_web_url(text: str) -> SplitResult | None:
    """The parts of a valid http or https URL, None for anything else."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if valid and _ADDRESS.fullmatch(text) else None


def _entry(raw: object) -> ErrorEntry:
    entry = struct(raw)
    detail = any(key.lower() == "detail" and value is not None for key, value in entry.pairs())
    return ErrorEntry(entry.get("code", string, ""), entry.get("message", string, ""), detail)
