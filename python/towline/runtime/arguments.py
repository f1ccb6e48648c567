"""Checks of the arguments of the public functions."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["typed"]

T = TypeVar("T")


def typed(name: str, value: T, *kinds: type, wanted: str = "") -> T:
    """Return an argument if it has one of these types.

    Args:
        name: of the argument.
        value: of the argument; it is not in the message, since it may be a secret.
        kinds: the allowed types.
        wanted: the allowed types in words; ``""`` for their names.

    Raises:
        TypeError: the argument has another type.
    """
    if isinstance(value, kinds):
        return value
    names = ["None" if kind is type(None) else kind.__name__ for kind in kinds]
    raise TypeError(f"{name} must be {wanted or ' or '.join(names)}, not {type(value).__name__}")
