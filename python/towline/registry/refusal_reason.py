"""The reason in the body of an error response, in the forms of common registries (REG-037).

The distribution specification has ``{"errors": [{"code", "message", "detail"}]}``.  Artifactory
sends a status instead of the code; ECR and GitLab ``{"message"}``, the token services of OAuth
``{"error", "error_description"}``, others ``{"detail"}``, a plain text, or a page of a proxy.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

from towline.go.go_json import GoJsonError, Struct, decode
from towline.registry.credentials import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["refusal_reason"]

_LONGEST = 200  # characters of a reason
_ENTRIES_MAX = 3  # of a list of errors
_DEPTH = 8  # levels of a document that are searched
_TEXT_MAX = 16 * 1024  # characters that are searched
_FIELDS = ("error", "error_description", "message", "msg", "detail", "details", "title", "reason")
# Texts that look like secrets: the query of a URL, a user in it, and a token after its name.
_SECRETS = (
    (r"(https?://)[^\s/@\"'<>]+@", r"\1"),
    (r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", r"\1"),
    (
        r"(?i)\b(bearer|basic|token|password|secret|signature)(\s*[:=]\s*|\s+)[\w.+/~=-]{8,}",
        r"\1 ***",
    ),
    (r"\beyJ[\w-]{8,}\.[\w.-]*", "***"),
)


def refusal_reason(data: bytes, secrets: Iterable[str] = ()) -> str:
    """The reason, on one line and limited in length; ``""`` if there is none.

    Args:
        data: the body.
        secrets: texts that are replaced.
    """
    known = tuple(secrets)
    text = redact(data.decode("utf-8", "replace"), known)[:_TEXT_MAX]
    try:
        document = decode(data)
    except GoJsonError:
        found = _page(text) if "<" in text else text
    else:
        found = _reason_in(document, _DEPTH)
    found = redact(found, known)  # again, without the escapes of the document
    for secret, replacement in _SECRETS:
        found = re.sub(secret, replacement, found)
    return " ".join(found.split())[:_LONGEST].rstrip()


def _reason_in(value: Any, levels: int) -> str:
    """The texts in a JSON document that state a reason, in some levels of it."""
    if isinstance(value, str):
        return value
    if not levels:
        return ""
    if isinstance(value, list):
        reasons = [_reason_in(each, levels - 1) for each in value[:_ENTRIES_MAX]]
        return ", ".join(filter(None, reasons))
    if not isinstance(value, Struct):
        return ""
    fields = {key.lower(): each for key, each in value.pairs()}
    if errors := _reason_in(fields.get("errors"), levels - 1):
        return errors
    parts = [
        _name(fields.get("code")),
        *(_reason_in(fields.get(name), levels - 1) for name in _FIELDS),
    ]
    return ": ".join(dict.fromkeys(filter(None, parts)))


def _name(code: Any) -> str:
    """A code that is a word; numbers repeat the status."""
    return code if isinstance(code, str) and not code.isdigit() else ""


def _page(text: str) -> str:
    """The title of an HTML page or its first heading, else its text without tags."""
    for tag in ("title", "h1", "h2"):
        found = re.search(rf"(?is)<{tag}\b[^>]*>(.{{0,{_LONGEST}}}?)</{tag}", text)
        if found is not None and found[1].strip():
            return unescape(found[1])
    return unescape(re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", text))
