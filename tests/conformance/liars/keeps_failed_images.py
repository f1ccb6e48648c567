"""Stores an image although the pull failed."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if "error" in answer and not answer.get("stored"):
        answer["stored"] = [{"id": "0" * 64, "names": [], "digest": "sha256:" + "0" * 64}]


if __name__ == "__main__":
    lie(change)
