"""``ostree:``: recognised but not supported.

TRANS-080.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import UnsupportedError

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts
    from towline.transport.reference import ImageReference

__all__ = ["NAME", "parse", "valid_scope"]

NAME = "ostree"


def parse(text: str, facts: Facts, rules: NameRules) -> ImageReference:
    """Reject every reference.

    Raises:
        UnsupportedError: ``unsupported.ostree``, always.
    """
    raise UnsupportedError("unsupported.ostree", text=text)


def valid_scope(scope: str) -> bool:
    """Every scope is valid: a transport that is not built in does not validate (POLICY-011)."""
    return True
