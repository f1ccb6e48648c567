"""A store that does not exist yet; it is sufficient for building goals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from towline.errors import StoreError
from towline.transport.facts import StoreIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.cancel import CancelToken
    from towline.name.digest import Digest
    from towline.store.protocol import Image, ImagePlan

__all__ = ["AbsentStore"]


class AbsentStore:
    """A store without images in a folder that has no store; nothing is created.

    Args:
        root: the absolute path of the folder.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    @property
    def identity(self) -> StoreIdentity:
        """The identity that the store would have."""
        return StoreIdentity("vfs", self._root, f"{self._root}/towline/run")

    def images(self) -> Sequence[Image]:
        """Return no images."""
        return ()

    def __iter__(self) -> Iterator[Image]:
        """Iterate over `images`."""
        return iter(self.images())

    def __len__(self) -> int:
        """The number of `images`."""
        return len(self.images())

    def __contains__(self, name: object, /) -> bool:
        """Whether `image` finds a name, an ID (or a prefix of one), or a digest."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def find_id(self, prefix: str, /) -> str | None:
        """Return None."""

    def image(self, name: str | Digest, /) -> NoReturn:
        """Raise StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)

    def holds(self, name: str, /) -> bool:
        """Return False."""
        return False

    def document(self, digest: Digest, limit: int, /) -> bytes | None:
        """Return None."""

    def open_layer(self, digest: Digest, /) -> NoReturn:
        """Raise StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)

    def begin(self, plan: ImagePlan, /, *, diff_ids: bool, cancel: CancelToken) -> NoReturn:
        """Raise StoreError ``store.missing``."""
        raise StoreError("store.missing", path=self._root)
