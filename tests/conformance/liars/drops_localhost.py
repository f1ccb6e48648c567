"""Removes ``localhost/`` from names without a registry."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie, pairs

OPERATIONS = ("pull_ref_pair", "goal_from_image_reference")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    for pair in pairs(answer):
        for key in ("image", "dst"):
            pair[key] = pair[key].removeprefix("localhost/")


if __name__ == "__main__":
    lie(change)
