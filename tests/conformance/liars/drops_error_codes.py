"""Returns errors without a code."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("parse_image_name", "get_image_digest", "goal_from_image_reference")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if "error" in answer:
        answer["error"]["code"] = ""


if __name__ == "__main__":
    lie(change)
