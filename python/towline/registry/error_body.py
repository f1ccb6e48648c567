"""What a registry says when it does not give what it was asked for (REG-030 to REG-036).

Status and body become the facts of a `RegistryError`; the sentences are the wording's.
Source: the error bodies of the distribution specification, and what real servers send instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from towline.errors import RegistryError
from towline.go.go_json import GoJsonError, Struct, decode, list_of, string, struct

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

BODY_MAX = 64 * 1024  # bytes of an error's body that are looked at

# Nothing here ends a line of a request, or begins a header.
_ADDRESS = re.compile(r"[\x21-\x7e]+")

# Python's own names of these change from version to version; these are those of RFC 7231 and 4918.
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


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One entry of a list of errors, as written; `detail` tells whether there was one."""

    code: str
    message: str
    detail: bool


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of an answer that is an error.

    Attributes:
        entries: of its list of errors.
        details: a text in the place of the list, as old servers have it.
        fault: why the body is not JSON of the expected shape, ``""`` where it is.
        text: the body itself, bytes that are no UTF-8 as surrogate escapes.
    """

    entries: tuple[ErrorEntry, ...] = ()
    details: str = ""
    fault: str = ""
    text: str = ""


def read_error_body(data: bytes) -> ErrorBody:
    """Read the body of an error; nothing that a server can send makes this fail."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        document = struct(decode(data))
        details = _details(document)
        if details:
            return ErrorBody(details=details, text=text)
        read_entries = list_of(_entry, ErrorEntry("", "", detail=False))
        entries = document.get("errors", read_entries, list[ErrorEntry]())
    except GoJsonError as fault:
        return ErrorBody(fault=str(fault), text=text)
    return ErrorBody(entries=tuple(entries), text=text)


def response_error(
    wanted: Requested, *, status: int, status_line: str, body: bytes, url: str, **facts: Any
) -> RegistryError:
    """The error for an answer with another status than the one hoped for.

    Args:
        wanted: what was asked for.
        status: the number.
        status_line: status and reason as the server wrote them.
        body: what could be read of it.
        url: what was asked; only its harmless parts become facts.
        facts: ``repository``, ``reference``, ``credentials`` (whether any were sent).
    """
    return RegistryError(
        _CODES.get(status, "registry.unexpected_status"),
        wanted=wanted,
        status=status,
        reason=reason_phrase(status),
        status_line=printable(status_line),
        answers=read_error_body(body),
        url=redact_url(url),
        host=urlsplit(url).netloc.rpartition("@")[2],
        **facts,
    )


def reason_phrase(status: int) -> str:
    """The name of a status, such as ``Not Found``; ``""`` where it has none."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def redact_url(url: str) -> str:
    """A URL as a message may show it: without user, query and fragment, which may hold secrets."""
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def printable(text: str) -> str:
    """The text without anything that a terminal acts on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def parse_web_url(text: str) -> SplitResult | None:
    """The parts of an http or https URL that can be asked for, None for anything else."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if good and _ADDRESS.fullmatch(text) else None


def _details(document: Struct) -> str:
    try:
        return document.get("details", string, "")
    except GoJsonError:
        return ""


def _entry(raw: object) -> ErrorEntry:
    entry = struct(raw)
    detail = any(key.lower() == "detail" and value is not None for key, value in entry.pairs())
    return ErrorEntry(entry.get("code", string, ""), entry.get("message", string, ""), detail)
