"""Leaves the log empty, so that the error of the first registry is missing."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for fields in (answer, answer.get("ok", {})):
        if "log" in fields:
            fields["log"] = []


if __name__ == "__main__":
    lie(change)
