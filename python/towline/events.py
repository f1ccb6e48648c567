"""Events: what happened to images, for those who keep a log of it.

EVENT-001 to EVENT-003.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        type: ``"image"``.
        status: ``"pull"``, ``"remove"``.
        name: the image's name; ``""`` where the rules leave it out.
    """

    type: str
    status: str
    name: str
