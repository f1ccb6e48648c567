"""The interface of credentials for a registry; `towline.config` finds them."""

from __future__ import annotations

import base64
from typing import Protocol

__all__ = ["Credentials", "basic"]


class Credentials(Protocol):
    """A user and a secret.  The repr of an implementation must not show the secret."""

    @property
    def username(self) -> str:
        """The name of the user."""

    @property
    def password(self) -> str:
        """The password."""

    @property
    def identity_token(self) -> str:
        """A token for the token service that replaces the password; ``""`` if there is none."""


def basic(credentials: Credentials) -> str:
    """The value of an Authorization header for a user and a password."""
    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
