"""Stops at the first success even if all pairs must be pulled."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("goal_from_image_reference",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if "ok" in answer:
        answer["ok"]["pull_all_pairs"] = False


if __name__ == "__main__":
    lie(change)
