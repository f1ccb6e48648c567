"""Returns error messages that differ from those of the original."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("decompose", "parse_image_name", "pull_ref_pair")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    if "error" in answer:
        message = str(answer["error"]["message"])
        answer["error"]["message"] = message[:1].upper() + message[1:]


if __name__ == "__main__":
    lie(change)
