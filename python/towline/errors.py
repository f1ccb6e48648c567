"""Every exception that towline raises.

    TowlineError
    ├── InvalidNameError            a name, tag, digest or transport that cannot be read
    ├── PathError           a local path that cannot be resolved or opened
    ├── ConfigurationError     registries.conf, policy.json, an auth file, an option
    ├── SourceError            an archive, layout or directory that is not what it should be
    ├── RegistryError          a registry that cannot be reached, or that answers badly
    ├── UnsupportedError       understood, and not done by towline
    ├── VerificationError      bytes that are not the bytes that were asked for
    ├── PolicyError         the signature policy does not allow the image
    ├── PlatformMismatchError       no image for the wanted platform
    ├── LabelMissingError           the image has not the label that was asked for
    ├── LimitExceededError          an input larger than its budget
    ├── StoreError             the store cannot take, find or give an image
    ├── PullFailedError             the end of a goal of which nothing was pulled
    └── PullCancelledError              the caller cancelled the work

An error carries a stable ``code``, the ``facts`` of the case and the ``steps`` during which it
happened.  The sentence is made from them by a `towline.wording.Wording`; no other module holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from towline.wording import CURRENT, Wording

__all__ = [
    "ConfigurationError",
    "InvalidNameError",
    "LabelMissingError",
    "LimitExceededError",
    "PathError",
    "PlatformMismatchError",
    "PolicyError",
    "PullCancelledError",
    "PullFailedError",
    "RegistryError",
    "SourceError",
    "Step",
    "StoreError",
    "TowlineError",
    "UnsupportedError",
    "VerificationError",
    "step",
]


@dataclass(frozen=True, slots=True)
class Step:
    """What was being done when an error passed: a name known to the wording, and its facts."""

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class TowlineError(Exception):
    """The root of all errors of towline.

    Attributes:
        code: a stable slug such as ``"registry.unreachable"``; the part before the dot is the area.
        facts: what is known of the case: wanted, got, reference, path...
        steps: what was being done, outermost first.
        wording: the edition in which ``str()`` tells it.
    """

    areas: ClassVar[tuple[str, ...]] = ()

    def __init__(self, code: str, /, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts: Mapping[str, Any] = facts
        self.steps: tuple[Step, ...] = ()
        self.wording: Wording = CURRENT

    def __str__(self) -> str:
        return self.told(self.wording)

    def told(self, wording: Wording) -> str:
        """The error as one text in the given wording."""
        return wording.error(self.code, self.facts, self.steps)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.code, dict(self.facts), self.steps, self.wording.name))


def _rebuild(
    kind: type[TowlineError], code: str, facts: dict[str, Any], steps: tuple[Step, ...], name: str
) -> TowlineError:
    error = kind(code, **facts)
    error.steps = steps
    error.wording = Wording.named(name)
    return error


class InvalidNameError(TowlineError):
    """A name, tag, digest or transport that cannot be read."""

    areas = ("name", "digest", "transport", "reference")


class PathError(TowlineError):
    """A local path that cannot be resolved or opened.

    ``facts["errno"]`` has the system's reason.
    """

    areas = ("path",)


class ConfigurationError(TowlineError):
    """A configuration file or an option that cannot be used."""

    areas = ("registries_conf", "policy_json", "auth", "certs", "option")


class SourceError(TowlineError):
    """An archive, layout or directory that is not what it should be."""

    areas = ("archive", "layout", "dir", "manifest", "config", "tarball", "core")


class RegistryError(TowlineError):
    """A registry that cannot be reached, or that answers badly."""

    areas = ("registry",)


class UnsupportedError(TowlineError):
    """Something that towline understands and does not do; the sentence names a way round."""

    areas = ("unsupported",)


class VerificationError(TowlineError):
    """Bytes that are not the bytes that were asked for; nothing of them is kept."""

    areas = ("verify",)


class PolicyError(TowlineError):
    """The signature policy does not allow the image."""

    areas = ("policy",)


class PlatformMismatchError(TowlineError):
    """No image for the wanted platform; ``facts["available"]`` lists what there is."""

    areas = ("platform",)


class LabelMissingError(TowlineError):
    """The image has not the label that was asked for."""

    areas = ("label",)


class LimitExceededError(TowlineError):
    """An input larger than its budget."""

    areas = ("limit",)


class StoreError(TowlineError):
    """The store cannot take, find or give an image."""

    areas = ("store",)


class PullFailedError(TowlineError):
    """The end of a goal of which nothing was pulled; ``facts["errors"]`` has each pair's error."""

    areas = ("pull",)


class PullCancelledError(TowlineError):
    """The caller cancelled the work."""

    areas = ("cancelled",)


class step:  # noqa: N801 - it is read as a verb: with step("reading-manifest", ...)
    """Say what is being done: a `TowlineError` that passes is given this step, outermost."""

    __slots__ = ("_step",)

    def __init__(self, name: str, /, **facts: Any) -> None:
        self._step = Step(name, facts)

    def __enter__(self) -> None:
        """Nothing happens yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Add the step to the error, which goes on."""
        if isinstance(error, TowlineError):
            error.steps = (self._step, *error.steps)
