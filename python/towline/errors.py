"""Every exception that towline raises, except `CoreError`, which the core and byte writers raise.

`TowlineError` shows the hierarchy.  An error has a stable ``code``, the ``facts`` of the case and
the ``steps`` during which it was raised.  A `towline.wording.Wording` makes the message from them;
no other module has messages.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from towline.frozen import field, frozen
from towline.wording import CURRENT, Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    #: Takes an error that is only a warning.
    Warn = Callable[["TowlineError"], None]

__all__ = [
    "ConfigurationError",
    "InvalidNameError",
    "LabelMissingError",
    "LimitExceededError",
    "NotFoundError",
    "PathError",
    "PlatformMismatchError",
    "PolicyError",
    "PullCancelledError",
    "PullFailedError",
    "RateLimitedError",
    "RegistryError",
    "SourceError",
    "Step",
    "StoreError",
    "TowlineError",
    "UnauthorizedError",
    "UnsupportedError",
    "VerificationError",
    "path_errors",
    "raise_or_warn",
    "step",
]


@frozen
class Step:
    """A step during which an error was raised: a name that the wording defines, and its facts."""

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class TowlineError(Exception):
    """The base class of all errors of towline.

        TowlineError
        ├── InvalidNameError      a name, tag, digest or transport is invalid
        ├── PathError             a local path cannot be resolved or opened
        ├── ConfigurationError    a configuration file or an option is invalid
        ├── SourceError           an archive, layout, directory, manifest or config is invalid
        ├── RegistryError         a registry is unreachable or refuses a request
        │   ├── NotFoundError     the registry does not have the image, manifest or blob
        │   ├── UnauthorizedError the registry requires other credentials
        │   └── RateLimitedError  the registry accepts no more requests at the moment
        ├── UnsupportedError      a valid input that towline does not support
        ├── VerificationError     the digest or size of a blob is not the expected one
        ├── PolicyError           the signature policy rejects the image
        ├── PlatformMismatchError there is no image for the requested platform
        ├── LabelMissingError     the image does not have the requested label
        ├── LimitExceededError    an input is larger than its limit
        ├── StoreError            the store cannot store, find or read an image
        ├── PullFailedError       no pair of a goal was pulled
        └── PullCancelledError    the caller cancelled the pull

    A `PullFailedError` of a single pair is also an instance of the class of that pair's error: both
    ``except PullFailedError`` and ``except NotFoundError`` catch it.

    Attributes:
        code: a stable slug such as ``"registry.unreachable"``; the part before the dot is the area.
        facts: the values of the case, such as wanted, got, reference or path.
        steps: the steps during which the error was raised, outermost first.
        wording: the wording that ``str()`` uses.
    """

    areas: ClassVar[tuple[str, ...]] = ()

    def __init__(self, code: str, /, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts: Mapping[str, Any] = facts
        self.steps: tuple[Step, ...] = ()
        self.wording: Wording = CURRENT

    @property
    def errors(self) -> tuple[TowlineError, ...]:
        """The error of each pair, if this is a `PullFailedError`; else empty."""
        return ()

    def __str__(self) -> str:
        return self.render(self.wording)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def render(self, wording: Wording) -> str:
        """Return the message of the error in a wording."""
        return wording.error(self.code, self.facts, self.steps)

    def during(self, name: str, /, **facts: Any) -> Self:
        """Return the error with a step added as its outermost one: ``raise error.during(…)``."""
        self.steps = (Step(name, facts), *self.steps)
        return self

    def copied(self) -> Self:
        """Return a copy, to which steps can be added; it needs no import, which may fail."""
        rebuild, arguments = self.__reduce__()
        copy: Self = rebuild(*arguments)
        return copy

    def to_json(self) -> dict[str, str]:
        """The error as a JSON document: its code and its sentence."""
        return {"code": self.code, "message": str(self)}

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
    """A name, tag, digest or transport is invalid."""

    areas = ("name", "digest", "transport", "reference")


class PathError(TowlineError):
    """A local path cannot be resolved or opened.

    ``facts["errno"]`` is the error number of the operating system.
    """

    areas = ("path",)

    @staticmethod
    def of(operation: str, path: str, error: OSError | ValueError) -> PathError:
        """Return the error ``path.unusable`` for an exception of a call with a path.

        A ValueError is raised for a path with a NUL, or with characters that cannot be encoded.
        """
        known = errno.EIO if isinstance(error, OSError) else errno.EINVAL
        number = getattr(error, "errno", None)
        facts = {"path": path, "errno": known if number is None else number}
        return PathError("path.unusable", operation=operation, **facts)


class ConfigurationError(TowlineError):
    """A configuration file or an option is invalid."""

    areas = ("registries_conf", "policy_json", "auth", "certs", "option", "proxy")


class SourceError(TowlineError):
    """An archive, layout, directory, manifest or config is invalid."""

    areas = ("archive", "layout", "dir", "manifest", "config", "tarball", "core")


class RegistryError(TowlineError):
    """A registry is unreachable, or its response is an error or invalid."""

    areas = ("registry",)

    def __new__(cls, code: str, /, **_: Any) -> RegistryError:
        """Create an error; the class follows from the code."""
        return super().__new__(_BY_CODE.get(code, cls) if cls is RegistryError else cls)


class NotFoundError(RegistryError):
    """The registry does not have the image, manifest or blob."""


class UnauthorizedError(RegistryError):
    """The registry requires credentials, or refuses those that were sent."""


class RateLimitedError(RegistryError):
    """The registry accepts no more requests at the moment."""


_BY_CODE: Mapping[str, type[RegistryError]] = {
    "registry.forbidden": UnauthorizedError,
    "registry.not_found": NotFoundError,
    "registry.rate_limited": RateLimitedError,
    "registry.token_refused": UnauthorizedError,
    "registry.unauthorized": UnauthorizedError,
}


class UnsupportedError(TowlineError):
    """A valid input that towline does not support; the message names an alternative."""

    areas = ("unsupported",)


class VerificationError(TowlineError):
    """The digest of a blob is not the expected one, or its size is far from the listed one.

    Its bytes are discarded.  As a warning: the size differs, and the digest is right.
    """

    areas = ("verify",)


class PolicyError(TowlineError):
    """The signature policy rejects the image."""

    areas = ("policy",)


class PlatformMismatchError(TowlineError):
    """There is no image for the platform; ``facts["available"]`` lists the platforms there are."""

    areas = ("platform",)


class LabelMissingError(TowlineError):
    """The image does not have the requested label."""

    areas = ("label",)


class LimitExceededError(TowlineError):
    """An input is larger than its limit."""

    areas = ("limit",)


class StoreError(TowlineError):
    """The store cannot store, find or read an image."""

    areas = ("store",)


class PullFailedError(TowlineError):
    """No pair of a goal was pulled.

    The error of a single pair is also an instance of the class of that pair's error, and has the
    facts of that error too.
    """

    areas = ("pull",)

    def __new__(cls, code: str, /, **facts: Any) -> PullFailedError:
        """Create an error; its class follows from the only error in ``facts["errors"]``."""
        errors: Sequence[TowlineError] = facts.get("errors", ())
        return super().__new__(_failed_with(type(errors[0])) if _is_single(errors) else cls)

    def __init__(self, code: str, /, **facts: Any) -> None:
        errors: Sequence[TowlineError] = facts.get("errors", ())
        single = dict(errors[0].facts) if _is_single(errors) else {}
        super().__init__(code, **{**single, **facts})

    @property
    def errors(self) -> tuple[TowlineError, ...]:
        """The error of each pair that was tried, in this order; empty if there was no pair."""
        return tuple(self.facts.get("errors", ()))

    @property
    def warnings(self) -> tuple[TowlineError, ...]:
        """The errors that did not end an attempt, such as that of an unreadable auth file."""
        return tuple(self.facts.get("warnings", ()))

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, (_, *arguments) = super().__reduce__()
        return rebuild, (PullFailedError, *arguments)


def _is_single(errors: Sequence[object]) -> bool:
    return len(errors) == 1 and isinstance(errors[0], TowlineError)


_FAILED_WITH: dict[type[TowlineError], type[PullFailedError]] = {}


def _failed_with(kind: type[TowlineError]) -> type[PullFailedError]:
    """The class of a `PullFailedError` that also is an error of another class."""
    if issubclass(kind, PullFailedError):
        return PullFailedError
    names = {"__module__": __name__, "__doc__": PullFailedError.__doc__}
    return _FAILED_WITH.setdefault(kind, type("PullFailedError", (PullFailedError, kind), names))


class PullCancelledError(TowlineError):
    """The caller cancelled the pull."""

    areas = ("cancelled",)


class step:  # noqa: N801 - it is used like a function: with step("reading-manifest", ...)
    """A context manager that adds a step to each `TowlineError` raised within it."""

    __slots__ = ("_facts", "_name")

    def __init__(self, name: str, /, **facts: Any) -> None:
        self._name = name
        self._facts = facts

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Add the step to the error as its outermost one, and propagate the error."""
        if isinstance(error, TowlineError):
            error.during(self._name, **self._facts)


def raise_or_warn(error: TowlineError, warn: Warn | None) -> None:
    """Raise an error, or call `warn` with it unless that is None."""
    if warn is None:
        raise error
    warn(error)


@contextmanager
def path_errors(operation: str, path: str) -> Iterator[None]:
    """Convert an `OSError`, or a `ValueError` for an invalid path, to a `PathError`.

    Args:
        operation: the call that failed, such as ``"open"``.
        path: of the file.

    Raises:
        PathError: ``path.unusable``.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise PathError.of(operation, path, error) from None
