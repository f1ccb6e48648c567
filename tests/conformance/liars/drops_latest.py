"""Removes the tag ``latest`` from docker references."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("parse_image_name", "pull_ref_pair")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    for key, value in ok.items():
        ok[key] = value.removesuffix(":latest") if isinstance(value, str) else value


if __name__ == "__main__":
    lie(change)
