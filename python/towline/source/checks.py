"""Checks of documents and blobs against the digest and size in their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towline.errors import VerificationError
from towline.name.digest import Digest, digest_of
from towline.source.protocol import OpenBlob

if TYPE_CHECKING:
    from towline.image.descriptor import Descriptor

__all__ = ["check_config", "check_manifest", "check_size", "size_limit"]

B = TypeVar("B", bound=OpenBlob)
# A manifest may list the sizes of the compressed layers where the layers are uncompressed: gzip
# rarely saves more than seven eighths.  The constant is for small sizes, and for a size of 0.
_FACTOR = 8
_SURPLUS = 64 << 20


def check_manifest(data: bytes, want: Digest, origin: str) -> bytes:
    """Return `data` if it has the digest `want`; else raise ``verify.manifest``."""
    got = digest_of(data, want.algorithm)
    if got != want:
        raise VerificationError("verify.manifest", want=want, got=got, origin=origin)
    return data


def check_config(data: bytes, want: Digest, origin: str) -> bytes:
    """Return `data` if it has the digest `want`; else raise ``verify.config``."""
    got = digest_of(data, want.algorithm)
    if got != want:
        raise VerificationError("verify.config", want=want, got=got, origin=origin)
    return data


def check_size(blob: B, descriptor: Descriptor) -> B:
    """Return `blob` if its size is within `size_limit`; else close it and raise.

    Raises:
        VerificationError: ``verify.size``.
    """
    got, most = blob.size, size_limit(descriptor)
    if got is None or most is None or got <= most:
        return blob
    blob.close()
    raise VerificationError("verify.size", want=descriptor.size, got=got, size=got)


def size_limit(descriptor: Descriptor) -> int | None:
    """The most bytes that are read of a blob, None if its size is not listed (REG-027).

    The digest decides what the blob is, and not the listed size, which may be a mistake.  The limit
    keeps a server that sends other bytes from filling the disk.
    """
    return None if descriptor.size < 0 else descriptor.size * _FACTOR + _SURPLUS
