"""What the operations of the driver share: the session, and errors that say more than a code."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.errors import TowlineError
from towline.rules import Rules
from towline.transport.facts import StoreIdentity

__all__ = ["Input", "Operation", "PartError", "PulledPartlyError", "Session", "text"]

Input = Mapping[str, Any]


class PartError(Exception):
    """An error in a part of an operation that the vectors name in front of the message."""

    def __init__(self, part: str, error: TowlineError) -> None:
        super().__init__(part, error)
        self.part = part
        self.error = error


class PulledPartlyError(Exception):
    """An error of a pull, and what else the pull left behind."""

    def __init__(self, error: TowlineError, left: dict[str, Any]) -> None:
        super().__init__(error, left)
        self.error = error
        self.left = left


@dataclass(frozen=True, slots=True)
class Session:
    """What the start of the session said, and where its files are.

    Attributes:
        rules: the edition.
        root: the fixture tree.
        files: an own folder; every case finds it as if it were new.
        identity: of the store in it, as it prints itself.
    """

    rules: Rules
    root: Path
    files: Path
    identity: StoreIdentity

    @property
    def registries_conf(self) -> Path:
        """The file that the environment names."""
        return self.files / "registries.conf"

    @property
    def etc(self) -> Path:
        """What stands for ``/etc``."""
        return self.files / "etc"

    @property
    def default_registries_conf(self) -> Path:
        """The built-in default file."""
        return self.etc / "containers" / "registries.conf"

    @property
    def policy(self) -> Path:
        """The policy that is handed in."""
        return self.files / "policy.json"

    @property
    def authfile(self) -> Path:
        """The auth file that is handed in."""
        return self.files / "auth.json"

    def tokens(self) -> dict[str, str]:
        """The paths that the vectors mention."""
        return {
            "GRAPHROOT": self.identity.graph_root,
            "RUNROOT": self.identity.run_root,
            "REGISTRIES_CONF": str(self.registries_conf),
            "DEFAULT_REGISTRIES_CONF": str(self.default_registries_conf),
            "POLICY": str(self.policy),
            "AUTHFILE": str(self.authfile),
        }


def text(given: Input, key: str) -> str:
    """A text of the input, whether or not it is UTF-8."""
    if f"{key}_base64" in given:
        return base64.b64decode(given[f"{key}_base64"]).decode("utf-8", "surrogateescape")
    told = given[key]
    assert isinstance(told, str)
    return told


Operation = Callable[[Session, Input], dict[str, Any]]
