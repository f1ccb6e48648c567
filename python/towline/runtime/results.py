"""What a pull gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from towline.errors import TowlineError
from towline.registry.endpoint_log import EndpointUse
from towline.store.protocol import Image
from towline.transport import ImageReference, image_name

__all__ = ["Attempt", "PullResult"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pair that was tried.

    Attributes:
        image: the name that the user is told.
        stored: the image, where the attempt succeeded.
        error: why not, where it failed.
        verified: what was checked: ``"blobs"``, and ``"diff-ids"`` where layers were unpacked.
        endpoints: the places of a registry's image that were asked, in this order, and what each
            of them gave or why it did not; none for other transports.
    """

    image: str
    source: ImageReference
    stored: Image | None = None
    error: TowlineError | None = None
    verified: tuple[str, ...] = ()
    endpoints: tuple[EndpointUse, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attempt as a JSON document."""
        return {
            "image": self.image,
            "source": image_name(self.source),
            "id": None if self.stored is None else self.stored.id,
            "digest": None if self.stored is None else str(self.stored.digest),
            "error": None
            if self.error is None
            else {"code": self.error.code, "message": str(self.error)},
            "verified": list(self.verified),
            "endpoints": [use.to_json() for use in self.endpoints],
        }


@dataclass(frozen=True, slots=True)
class PullResult:
    """A pull that brought at least one image.

    Attributes:
        images: the names of what was pulled, in the order of pulling.
        attempts: every pair that was tried, failed ones too.
        policy: where the signature policy came from: a path, or ``"built-in"``.
    """

    images: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    policy: str

    @property
    def verified(self) -> tuple[str, ...]:
        """What was checked of every image that was pulled."""
        checked = [set(attempt.verified) for attempt in self.attempts if attempt.stored]
        return tuple(sorted(set.intersection(*checked))) if checked else ()

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return {
            "images": list(self.images),
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "policy": self.policy,
            "verified": list(self.verified),
        }
