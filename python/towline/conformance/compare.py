"""The comparison of an expected result with the answer of a driver.

Values are compared after tokens were replaced.  ``null`` and an empty list differ, and so do
``true`` and ``1``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from towline.conformance.tokens import unfold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.conformance.protocol import Answer

__all__ = ["Difference", "differences", "unshown"]

#: Log levels that are compared; entries of more detailed levels are ignored.
_LEVELS = ("info", "warning", "error", "fatal", "panic")
_BLOB_LINE = "Copying blob "


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the expected and the actual answer.

    Attributes:
        where: a path in the answer, such as ``ok.pairs`` or ``log[1].message``.
        wanted: a JSON value, or an object such as ``{"prefix": ...}``.
        got: a JSON value; None also if the value is missing.
    """

    where: str
    wanted: Any
    got: Any


def differences(
    operation: str, expect: Mapping[str, Any], answer: Answer, *, typed: bool = False
) -> list[Difference]:
    """All differences between a case's ``expect``, its tokens expanded, and an answer.

    Args:
        operation: the operation; some fields of ``pull`` have their own comparison.
        expect: the expected answer of the vector.
        answer: the answer of the driver.
        typed: the error must have a code (the original crashes in this case).
    """
    if answer.crashed is not None:
        return [Difference("answer", dict(expect), {"crashed": answer.crashed})]
    if "ok" in expect:
        if answer.ok is None:
            return [Difference("answer", {"ok": expect["ok"]}, {"error": answer.error})]
        found = _fields(operation, "ok.", _shown(expect["ok"], answer), answer.ok)
    elif answer.error is None:
        return [Difference("answer", {"error": expect["error"]}, {"ok": answer.ok})]
    else:
        found = _message("error.message", expect["error"], answer.error.get("message"))
        if typed and not answer.error.get("code"):
            found.append(Difference("error.code", "a code", answer.error.get("code")))
    extra = {key: value for key, value in expect.items() if key not in ("ok", "error")}
    return found + _fields(operation, "", _shown(extra, answer), answer.extra)


def unshown(expect: Mapping[str, Any], answer: Answer) -> tuple[str, ...]:
    """The expected fields that the implementation cannot show, in alphabetical order."""
    wanted = {*expect.get("ok", {}), *expect} - {"ok", "error"}
    return tuple(sorted(wanted & answer.unshown))


def _shown(wanted: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    return {key: value for key, value in wanted.items() if key not in answer.unshown}


def _fields(
    operation: str, prefix: str, wanted: Mapping[str, Any], got: Mapping[str, Any]
) -> list[Difference]:
    compared = _PULL if operation == "pull" else {}
    found: list[Difference] = []
    for key, value in wanted.items():
        where = prefix + key
        if key not in got:
            found.append(Difference(where, value, None))
        else:
            found += compared.get(key, _exactly)(where, unfold(value), unfold(got[key]))
    return found


def _exactly(where: str, wanted: Any, got: Any) -> list[Difference]:
    return [] if _form(wanted) == _form(got) else [Difference(where, wanted, got)]


def _form(value: Any) -> str:
    # As JSON text, 1, 1.0 and true differ; in Python they are equal.
    return json.dumps(value, sort_keys=True)


def _message(where: str, wanted: Mapping[str, Any], got: Any) -> list[Difference]:
    text = unfold(got)
    match unfold(wanted):
        case {"any": True}:
            agrees = True
        case {"exact": exact}:
            agrees = _form(text) == _form(exact)
        case {"prefix": str(prefix)}:
            agrees = isinstance(text, str) and text.startswith(prefix)
        case other:
            raise ValueError(f"unknown expectation of a text: {other}")
    return [] if agrees else [Difference(where, dict(wanted), text)]


def _writer(where: str, wanted: Any, got: Any) -> list[Difference]:
    if isinstance(wanted, str) and isinstance(got, str) and _sorted(wanted) == _sorted(got):
        return []
    return _exactly(where, wanted, got)


def _sorted(text: str) -> list[str]:
    lines: list[str] = []
    # Layers are fetched in parallel, so consecutive complete lines about them have no order.
    for _, run in groupby(_lines(text), _is_blob_line):
        group = list(run)
        lines += sorted(group) if _is_blob_line(group[0]) else group
    return lines


def _is_blob_line(line: str) -> bool:
    return line.startswith(_BLOB_LINE) and line.endswith("\n")


def _lines(text: str) -> list[str]:
    # str.splitlines() also splits at other characters, such as a form feed.
    return [line + "\n" for line in text.split("\n")[:-1]] + [text.rpartition("\n")[2]]


def _log(where: str, wanted: Any, got: Any) -> list[Difference]:
    if not isinstance(got, list) or not all(isinstance(entry, dict) for entry in got):
        return [Difference(where, wanted, got)]
    entries = [entry for entry in got if entry.get("level") in _LEVELS]
    if len(entries) != len(wanted):
        return [Difference(where, wanted, entries)]
    found: list[Difference] = []
    for number, (want, entry) in enumerate(zip(wanted, entries, strict=True)):
        path = f"{where}[{number}]"
        found += _exactly(f"{path}.level", want["level"], entry["level"])
        found += _message(f"{path}.message", want["message"], entry.get("message"))
    return found


def _stored(where: str, wanted: Any, got: Any) -> list[Difference]:
    if isinstance(wanted, list) and isinstance(got, list):
        wanted, got = sorted(wanted, key=_identity), sorted(got, key=_identity)
    return _exactly(where, wanted, got)


def _identity(image: Any) -> str:
    return str(image.get("id")) if isinstance(image, dict) else ""


_PULL = {"writer": _writer, "log": _log, "stored": _stored}
