"""Writes docs/api.md, the list of the public names: python docs/build_api.py."""

from __future__ import annotations

import inspect
from pathlib import Path

import towline

PAGE = Path(__file__).with_name("api.md")
BEGIN = """# The Python API

Everything public is a name of `towline` itself; its modules and packages are not public.
`help(towline.NAME)` describes the arguments, attributes and errors of each.
[`examples/`](../examples/) has small programs.
This page is written by `python docs/build_api.py`.
"""
GROUPS = {
    "Pull images": ["pull", "pull_async", "resolve", "Runtime", "Options", "CancelToken"],
    "Results": [
        *("PullResult", "Attempt", "EndpointUse", "RateLimit", "BlobProgress", "Event"),
        *("PullGoal", "How", "PullRefPair", "ConfigEntry", "Explanation", "Candidate", "Endpoint"),
        "AuthLookup",
    ],
    "Values of options": [
        *("Auth", "Credentials", "Platform", "StrPath", "TextWriter", "Timeouts", "Locations"),
        *("Rules", "NameRules", "ConfigRules", "TrustRules", "RegistryRules", "ArchiveRules"),
        *("CopyingRules", "TransferLimits", "Wording", "replace"),
    ],
    "Stores and images": [
        *("open_store", "default_root", "LayoutStore", "StoredImage", "ImageConfig", "Descriptor"),
        *("Digest", "RawManifest", "Verification", "Collected", "Removed", "Holder", "Durability"),
    ],
    "Errors": [
        *(name for name in towline.__all__ if name.endswith("Error") and name != "CoreError"),
        "Step",
    ],
    "For own sources and stores": [
        *("Source", "OpenBlob", "Announcing", "Announcement", "ListsImages", "ArchiveImage"),
        *("NamesImage", "Alternatives", "ImageReference", "image_name", "Reference", "ByteWriter"),
        *("Destination", "ImageStore", "Image", "Ingest", "BlobSink", "StoredBlob", "ImagePlan"),
        *("LayerPlan", "LayerReader", "StoreIdentity", "StoreReference", "CoreError"),
    ],
}
ALIASES = {  # types without a docstring
    "Auth": "`Credentials`, or a tuple of a user name and a password.",
    "Durability": '`"process"` or `"power"`: what stored images survive.',
    "StrPath": "A path: a text or an object with `__fspath__`.",
}


def page() -> str:
    """The text of the page."""
    parts = [BEGIN]
    for title, names in GROUPS.items():
        lines = [f"| `{name}` | {summary(name)} |" for name in names]
        parts.append("\n".join([f"## {title}", "", "| name | |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def summary(name: str) -> str:
    """The first line of the docstring."""
    if name in ALIASES:
        return ALIASES[name]
    text = inspect.getdoc(getattr(towline, name)) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
