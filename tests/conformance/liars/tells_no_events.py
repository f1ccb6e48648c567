"""Pulls without telling those who keep a log of events."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for told in (answer, answer.get("ok", {})):
        if "events" in told:
            told["events"] = []


if __name__ == "__main__":
    lie(change)
