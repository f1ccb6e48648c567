"""Returns an empty result instead of an error."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("decompose", "parse_image_name", "get_registries", "get_image_digest")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if answer.pop("error", None):
        answer["ok"] = {}


if __name__ == "__main__":
    lie(change)
