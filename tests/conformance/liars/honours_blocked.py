"""Does not search blocked registries, like later versions of podman."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("goal_from_possibly_unqualified_name", "get_registries")


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    blocked = [url for url in ("blocked.example",) if url in (ok.get("search") or ())]
    for url in blocked:
        ok["search"].remove(url)
    ok["pairs"] = [pair for pair in ok.get("pairs", ()) if "blocked.example" not in pair["image"]]


if __name__ == "__main__":
    lie(change)
