"""Lists the policy namespaces from the widest to the narrowest."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("parse_image_name",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    if ok:
        ok["policy_configuration_namespaces"].reverse()


if __name__ == "__main__":
    lie(change)
