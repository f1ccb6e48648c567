"""Events: changes of images in the store, for a log.

EVENT-001 to EVENT-003.
"""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["Event"]


@frozen
class Event:
    """One event.

    Attributes:
        type: ``"image"``.
        status: ``"pull"``, ``"remove"``.
        name: of the image; ``""`` if the edition omits it.
    """

    type: str
    status: str
    name: str
