"""Removes the @ from the name of an unnamed image."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("get_image_digest",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    if ok:
        ok["digest"] = ok["digest"].removeprefix("@")


if __name__ == "__main__":
    lie(change)
