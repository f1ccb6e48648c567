"""Platforms, and the choice of an instance from an index by platform.

PLAT-001 to PLAT-008.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from towline.errors import ConfigurationError, PlatformMismatchError
from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Platform", "choose_instance", "host_platform", "parse_platform"]

_MACHINES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i386": "386",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
# PLAT-004: a processor also runs code for lower variants, so variants are tried downwards
_VARIANTS = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}


@frozen
class Platform:
    """An operating system and a processor; formatted as ``os/architecture[/variant]``."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @staticmethod
    def parse(text: str) -> Platform:
        """Parse ``OS/ARCH[/VARIANT]``; raises `ConfigurationError` if the text is no platform."""
        return parse_platform(text)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class _Instance(Protocol):
    @property
    def platform(self) -> Platform | None: ...


T = TypeVar("T", bound=_Instance)


def host_platform() -> Platform:
    """The default platform: Linux on this machine's processor (PLAT-001)."""
    import platform as _host  # slow to import

    machine = _host.machine().lower()
    return Platform("linux", _MACHINES.get(machine, machine))


def parse_platform(text: str) -> Platform:
    """Parse ``OS/ARCH[/VARIANT]``.

    Raises:
        ConfigurationError: ``option.platform``.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ConfigurationError("option.platform", text=text)
    return Platform(*parts)


def choose_instance(
    instances: Sequence[T], wanted: Platform, *, variants: bool, list_kind: str
) -> T:
    """The instance for a platform: the nearest variant, and the first of equals (PLAT-003).

    Args:
        instances: entries of an index, in its order.
        wanted: the platform; an empty variant matches any.
        variants: whether variants are compared; if not, the first instance of the operating system
            and architecture is chosen.
        list_kind: ``"manifest list"`` or ``"image index"``, for the message.

    Raises:
        PlatformMismatchError: ``platform.none``; ``available`` lists the platforms of the index.
    """
    for matches in _preferences(wanted, variants=variants):
        for instance in instances:
            if instance.platform is not None and matches(instance.platform):
                return instance
    if variants:  # PLAT-005: an entry without a platform is chosen last
        for instance in instances:
            if instance.platform is None:
                return instance
    available = [str(instance.platform) for instance in instances if instance.platform]
    raise PlatformMismatchError(
        "platform.none", wanted=wanted, available=available, list_kind=list_kind
    )


def _preferences(wanted: Platform, *, variants: bool) -> list[Callable[[Platform], bool]]:
    def same_machine(have: Platform) -> bool:
        return have.os == wanted.os and have.architecture == wanted.architecture

    def same_variant(variant: str) -> Callable[[Platform], bool]:
        return lambda have: same_machine(have) and have.variant == variant

    if not variants:
        return [same_machine]
    return [same_variant(variant) for variant in _wanted_variants(wanted)]


def _wanted_variants(wanted: Platform) -> list[str]:
    known = _VARIANTS.get(wanted.architecture, ())
    if not wanted.variant:
        return ["", *known]
    if wanted.variant in known:
        return [*known[known.index(wanted.variant) :], ""]
    return [wanted.variant, ""]
