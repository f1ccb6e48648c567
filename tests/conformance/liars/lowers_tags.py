"""Converts tags to lower case.

Only operations with whole references are changed: no recorded case of `decompose` accepts an
upper-case tag.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("parse_image_name", "pull_ref_pair")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    for key in ("docker_reference", "image_name", "dst", "image"):
        if isinstance(ok.get(key), str):
            name, colon, tag = ok[key].rpartition(":")
            ok[key] = name + colon + tag.lower()


if __name__ == "__main__":
    lie(change)
