"""The store that is not there yet: enough of one to decide what a pull would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from towline.errors import StoreError
from towline.name.digest import Digest
from towline.store.protocol import Image
from towline.transport.facts import StoreIdentity

__all__ = ["AbsentStore"]


class AbsentStore:
    """A store without images at a place where nothing is, and where nothing is made.

    Args:
        root: the folder in which it would be, absolute.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    @property
    def identity(self) -> StoreIdentity:
        """As the store would have it."""
        return StoreIdentity("vfs", self._root, f"{self._root}/towline/run")

    def images(self) -> Sequence[Image]:
        """None."""
        return ()

    def find_id(self, prefix: str) -> str | None:
        """None."""
        return None

    def image(self, name: str) -> NoReturn:
        """There is none; StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)

    def holds(self, name: str) -> bool:
        """False: no image is here."""
        return False

    def document(self, digest: Digest, limit: int) -> None:
        """None: no document is here."""

    def begin(self, plan: object, *, cancel: object = None) -> NoReturn:
        """It takes no images; StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)

    def blob_path(self, digest: Digest) -> NoReturn:
        """It has no blobs; StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)
