"""Load the signature policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.config.load import read_policy
from towline.trust.policy_json import ACCEPT_ANYTHING, Policy, parse_policy

if TYPE_CHECKING:
    from pathlib import Path

    from towline.config.locations import Locations
    from towline.rules import Rules

__all__ = ["BUILT_IN", "load_policy"]

BUILT_IN = "built-in"  # the origin of the policy if there is no file


def load_policy(
    locations: Locations, rules: Rules, explicit: str | Path | None = None
) -> tuple[Policy, str]:
    """The signature policy and its origin: a path, or `BUILT_IN` (POLICY-003).

    Args:
        locations: where files are searched.
        rules: decide whether the user's own file is read, whether a file is required, and what it
            may contain.
        explicit: a file to read instead of the default ones; it must exist.

    Raises:
        PathError: a required file is missing, or a file cannot be read.
        ConfigurationError: ``policy_json.*``.
    """
    found = read_policy(locations, rules.config, explicit)
    if found is None:
        return ACCEPT_ANYTHING, BUILT_IN
    data, path = found
    return parse_policy(data, path, rules.trust), path
