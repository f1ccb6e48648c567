"""Marks every registry as insecure."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("find_registry",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    found = answer.get("ok", {}).get("registry")
    if found:
        found["insecure"] = True


if __name__ == "__main__":
    lie(change)
