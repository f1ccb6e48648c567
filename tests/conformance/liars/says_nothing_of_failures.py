"""Leaves the log empty, so that nobody learns why the first registry was passed over."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for told in (answer, answer.get("ok", {})):
        if "log" in told:
            told["log"] = []


if __name__ == "__main__":
    lie(change)
