"""The session of the driver, and errors of operations that have more than a code."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from towline.errors import TowlineError
    from towline.rules import Rules
    from towline.transport.facts import StoreIdentity

__all__ = ["Input", "Operation", "PartError", "PulledPartlyError", "Session", "text"]

Input = Mapping[str, Any]


class PartError(Exception):
    """An error in a part of an operation; the vectors have the part as a prefix of the message."""

    def __init__(self, part: str, error: TowlineError) -> None:
        super().__init__(part, error)
        self.part = part
        self.error = error


class PulledPartlyError(Exception):
    """An error of a pull, and the other outputs of the pull, such as ``writer``."""

    def __init__(self, error: TowlineError, outputs: dict[str, Any]) -> None:
        super().__init__(error, outputs)
        self.error = error
        self.outputs = outputs


@dataclass(frozen=True, slots=True)
class Session:
    """The parameters of the session, and the paths of its files.

    Attributes:
        rules: the rules of the edition.
        root: the fixture tree.
        files: the directory of the session; every case starts with a new state.
        identity: the identity of the store in that directory.
    """

    rules: Rules
    root: Path
    files: Path
    identity: StoreIdentity

    @property
    def registries_conf(self) -> Path:
        """The registries.conf that the environment selects."""
        return self.files / "registries.conf"

    @property
    def etc(self) -> Path:
        """The directory used instead of ``/etc``."""
        return self.files / "etc"

    @property
    def default_registries_conf(self) -> Path:
        """The default registries.conf."""
        return self.etc / "containers" / "registries.conf"

    @property
    def policy(self) -> Path:
        """The policy.json of a case."""
        return self.files / "policy.json"

    @property
    def authfile(self) -> Path:
        """The auth file of a case."""
        return self.files / "auth.json"

    def tokens(self) -> dict[str, str]:
        """The paths that occur in vectors, by token."""
        return {
            "GRAPHROOT": self.identity.graph_root,
            "RUNROOT": self.identity.run_root,
            "REGISTRIES_CONF": str(self.registries_conf),
            "DEFAULT_REGISTRIES_CONF": str(self.default_registries_conf),
            "POLICY": str(self.policy),
            "AUTHFILE": str(self.authfile),
        }


def text(given: Input, key: str) -> str:
    """A text of the input; bytes that are not UTF-8 are surrogate-escaped."""
    if f"{key}_base64" in given:
        return base64.b64decode(given[f"{key}_base64"]).decode("utf-8", "surrogateescape")
    value = given[key]
    assert isinstance(value, str)
    return value


Operation = Callable[[Session, Input], dict[str, Any]]
