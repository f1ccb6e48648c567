"""What the registry needs to know of a user; where it comes from is the configuration's matter."""

from __future__ import annotations

import base64
from typing import Protocol

__all__ = ["Credentials", "basic"]


class Credentials(Protocol):
    """A user and a secret.  The repr of an implementation must not show the secret."""

    @property
    def username(self) -> str:
        """The name."""

    @property
    def password(self) -> str:
        """The secret."""

    @property
    def identity_token(self) -> str:
        """What stands in the place of a password at a token service; ``""`` where there is none."""


def basic(credentials: Credentials) -> str:
    """The value of an Authorization header for a user and a password."""
    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
