"""Puts a new name of an image behind its older ones."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("pull",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for told in (answer, answer.get("ok", {})):
        for image in told.get("stored", ()):
            image["names"].reverse()


if __name__ == "__main__":
    lie(change)
