"""Does not resolve symbolic links in the policy identity of a path."""

from __future__ import annotations

from typing import Any

from tests.conformance.liars.proxy import lie

OPERATIONS = ("parse_image_name",)


def change(operation: str, given: dict[str, Any], answer: dict[str, Any]) -> None:
    ok = answer.get("ok", {})
    if ok.get("transport") in ("dir", "oci", "oci-archive"):
        path = ok["string_within_transport"]
        ok["policy_configuration_identity"] = path if isinstance(path, str) else ""


if __name__ == "__main__":
    lie(change)
