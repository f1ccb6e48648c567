"""The credentials for a registry; `towline.config` finds them.

No ``repr`` contains a secret (AUTH-007).
"""

from __future__ import annotations

import base64

from towline.frozen import field, frozen

__all__ = ["Credentials", "basic"]


@frozen
class Credentials:
    """The credentials for a registry.

    Attributes:
        username: of the user.
        password: of the user.
        identity_token: a token for the token service, instead of the password; ``""`` if there
            is none.
    """

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not a text; no message contains it.

        Raises:
            TypeError: a field is not a text.
        """
        for name in self.__match_args__:
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a text")


def basic(credentials: Credentials) -> str:
    """The value of an Authorization header for a user and a password."""
    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
