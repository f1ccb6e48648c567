"""Adds docker.io to names before the check for a registry."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("decompose",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    if ok and not ok["domain"]:
        ok["domain"], ok["has_registry"] = "docker.io", True


if __name__ == "__main__":
    lie(change)
