"""The settings of an edition by name, whatever slice of `Rules` they are in."""

from __future__ import annotations

from typing import Any

from towline.frozen import replace
from towline.rules import Rules

__all__ = ["SETTINGS", "SLICES", "changed", "setting"]

SLICES = tuple(name for name in Rules.__match_args__ if name not in ("edition", "wording"))
#: Each setting with its slice.
SETTINGS = [
    (setting, name) for name in SLICES for setting in getattr(Rules.CURRENT, name).__match_args__
]


def setting(rules: Rules, name: str) -> Any:
    """The value of a setting."""
    return getattr(getattr(rules, dict(SETTINGS)[name]), name)


def changed(rules: Rules, name: str, value: object) -> Rules:
    """The rules with another value of one setting."""
    part = dict(SETTINGS)[name]
    changes: dict[str, Any] = {part: replace(getattr(rules, part), **{name: value})}
    return replace(rules, **changes)
