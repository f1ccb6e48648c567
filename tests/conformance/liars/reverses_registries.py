"""Searches the registries in reverse order."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("goal_from_possibly_unqualified_name", "get_registries")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    for key in ("pairs", "searched_registries", "search"):
        if ok.get(key):
            ok[key].reverse()


if __name__ == "__main__":
    lie(change)
