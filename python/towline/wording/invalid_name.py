"""The rule of the grammar that an invalid image name breaks (NAME-001)."""

from __future__ import annotations

import re

from towline.go.go_quote import quote

__all__ = ["broken_rule"]

_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_DOMAIN = re.compile(r"(?:[a-zA-Z0-9]+(?:(?:\.|-+)[a-zA-Z0-9]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LONGEST_TAG = 128


def broken_rule(name: str) -> str:
    """Return which part of an invalid name is wrong, and what it must be; ``""`` if unknown."""
    if not name.isascii():
        return "it must consist of ASCII characters"
    if not name.isprintable() or " " in name:
        return "it must contain no white space and no control characters"
    name, at, digest = name.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return 'a digest must follow the "@", such as sha256: and 64 hex digits'
    *parents, last = name.split("/")
    part, colon, tag = last.partition(":")
    if colon and (rule := _broken_tag(tag)):
        return rule
    parts = [*parents, part]
    if not all(parts):
        return "a part of it is empty"
    if parents and _DOMAIN.fullmatch(parents[0]):
        parts.pop(0)
    for each in parts:
        if ":" in each:
            return f'a ":" must follow a host or the last part, and not be within {quote(each)}'
        if not _PART.fullmatch(each):
            return (
                f"the part {quote(each)} must consist of lower-case letters and digits, separated"
                ' by ".", "_", "__" or dashes'
            )
    return ""


def _broken_tag(tag: str) -> str:
    if not tag:
        return "the tag is empty"
    if len(tag) > _LONGEST_TAG:
        return f"the tag has {len(tag)} characters, and {_LONGEST_TAG} are allowed"
    if not _TAG.fullmatch(tag):
        return (
            f'the tag {quote(tag)} must consist of letters, digits, "_", "." and "-", and must not'
            ' begin with "." or "-"'
        )
    return ""
