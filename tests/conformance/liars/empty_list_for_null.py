"""Returns an empty list instead of null."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("get_registries", "goal_from_possibly_unqualified_name")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    for key, value in ok.items():
        ok[key] = [] if value is None else value


if __name__ == "__main__":
    lie(change)
