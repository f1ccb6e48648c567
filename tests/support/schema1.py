"""Signed manifests of Docker's schema 1."""

from __future__ import annotations

import base64
import json

__all__ = ["base64url", "signed"]


def signed(payload: bytes, *, tail: str | None = None, cut: int = 1) -> bytes:
    """The document with a signature in the form of libtrust; the signature is not verified."""
    end = payload[-cut:].decode() if tail is None else tail
    header = json.dumps(
        {"formatLength": len(payload) - cut, "formatTail": base64url(end.encode())}
    ).encode()
    signatures = json.dumps([{"header": {}, "signature": "x", "protected": base64url(header)}])
    return payload[:-cut] + b',"signatures":' + signatures.encode() + b"}"


def base64url(data: bytes) -> str:
    """Bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
