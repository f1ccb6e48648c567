"""The limits of transfers in one edition."""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["TransferLimits"]


@frozen
class TransferLimits:
    """The limits of one edition; any package may read them.

    Attributes:
        retries: how often a request is repeated after a transient failure (REG-020).
        document_size: maximum size of a manifest or config, in bytes (REG-007).
    """

    retries: int
    document_size: int
