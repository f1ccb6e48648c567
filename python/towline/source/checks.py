"""Checks of documents and blobs against the digest and size in their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from towline.errors import VerificationError
from towline.name.digest import Digest, digest_of
from towline.source.protocol import OpenBlob

if TYPE_CHECKING:
    from towline.image.descriptor import Descriptor

__all__ = ["BlobSize", "check_config", "check_manifest", "check_size"]

B = TypeVar("B", bound=OpenBlob)
BlobSize = Literal["answer", "manifest"]  # the setting of the edition (REG-027)


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


def check_size(blob: B, descriptor: Descriptor, blob_size: BlobSize) -> B:
    """Return `blob` if it has the size in the descriptor; else close it and raise.

    Raises:
        VerificationError: ``verify.size``.
    """
    got, want = blob.size, descriptor.size
    if blob_size == "answer" or got is None or want in (got, -1):  # REG-027
        return blob
    blob.close()
    raise VerificationError("verify.size", want=want, got=got, size=got)
