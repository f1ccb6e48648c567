"""The two editions of the rules, as named settings.

Each part of towline receives only its slice of the settings.
"""

from __future__ import annotations

from towline.rules.editions import Rules

__all__ = ["Rules"]
