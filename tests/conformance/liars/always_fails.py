"""Returns an error for every case."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("decompose", "parse_image_name", "find_registry")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if answer.pop("ok", None) is not None:
        answer["error"] = {"code": "name.invalid", "message": "invalid reference format"}


if __name__ == "__main__":
    lie(change)
