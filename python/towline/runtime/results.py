"""The result of a pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.frozen import frozen
from towline.transport import ImageReference, image_name

if TYPE_CHECKING:
    from towline.errors import TowlineError
    from towline.registry.endpoint_log import EndpointUse
    from towline.store.protocol import Image

__all__ = ["Attempt", "PullResult"]


@frozen
class Attempt:
    """One pair that was tried.

    Attributes:
        image: the name that is shown to the user.
        stored: the image, if the attempt succeeded.
        error: the error, if the attempt failed.
        verified: the checks that were done: ``"blobs"``, and ``"diff-ids"`` if the diff IDs of all
            layers were compared.
        endpoints: the endpoints that were tried, in this order, each with its result; empty for
            transports other than ``docker``.
        warnings: errors of things that the attempt can do without, in order.
    """

    image: str
    source: ImageReference
    stored: Image | None = None
    error: TowlineError | None = None
    verified: tuple[str, ...] = ()
    endpoints: tuple[EndpointUse, ...] = ()
    warnings: tuple[TowlineError, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as a JSON document."""
        return {
            "image": self.image,
            "source": image_name(self.source),
            "id": None if self.stored is None else self.stored.id,
            "digest": None if self.stored is None else str(self.stored.digest),
            "error": None if self.error is None else self.error.to_json(),
            "verified": list(self.verified),
            "endpoints": [use.to_json() for use in self.endpoints],
            "warnings": [warning.to_json() for warning in self.warnings],
        }


@frozen
class PullResult:
    """The result of a pull of at least one image.

    Attributes:
        images: the names of the pulled images as podman prints them, in the order in which they
            were pulled.  They may begin with ``docker://``; `Image.names` has the names in the
            store.
        attempts: every pair that was tried, including failed ones.
        policy: the path of the signature policy, or ``"built-in"``.
    """

    images: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    policy: str

    @property
    def image(self) -> Image:
        """The pulled image; the first one if several were pulled."""
        return next(attempt.stored for attempt in self.attempts if attempt.stored is not None)

    @property
    def verified(self) -> tuple[str, ...]:
        """The checks that were done of every pulled image."""
        checked = [set(attempt.verified) for attempt in self.attempts if attempt.stored]
        return tuple(sorted(set.intersection(*checked))) if checked else ()

    @property
    def warnings(self) -> tuple[TowlineError, ...]:
        """The warnings of all attempts."""
        return tuple(warning for attempt in self.attempts for warning in attempt.warnings)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON document."""
        return {
            "images": list(self.images),
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "policy": self.policy,
            "verified": list(self.verified),
        }
