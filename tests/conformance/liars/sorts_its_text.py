"""Writes its lines in alphabetical order."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for told in (answer, answer.get("ok", {})):
        if "writer" in told:
            told["writer"] = "".join(sorted(told["writer"].splitlines(keepends=True)))


if __name__ == "__main__":
    lie(change)
