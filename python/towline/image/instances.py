"""The choice of an instance from an index by platform, and the comparison of two platforms.

PLAT-003 to PLAT-005, PLAT-009.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from towline.errors import PlatformMismatchError
from towline.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from towline.image.platform import Platform

__all__ = ["choose_instance", "on_machine", "runs_on"]

_VARIANTS = {"arm": ("v8", "v7", "v6", "v5"), "amd64": ("v4", "v3", "v2", "v1")}
# An architecture without a variant has this one.
_BASE = {"amd64": "v1", "arm64": "v8"}


class _Instance(Protocol):
    @property
    def platform(self) -> Platform | None: ...


T = TypeVar("T", bound=_Instance)


def choose_instance(
    instances: Sequence[T], wanted: Platform, *, variants: bool, list_kind: str
) -> T:
    """The instance for a platform: the nearest variant, and the first of equals (PLAT-003).

    Args:
        instances: entries of an index, in its order.
        wanted: the platform.
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


def on_machine(wanted: Platform, host: Platform) -> Platform:
    """A requested platform, with the variant of the host if it is the host's and has none."""
    same = (wanted.os, wanted.architecture) == (host.os, host.architecture)
    return replace(wanted, variant=host.variant) if same and not wanted.variant else wanted


def runs_on(image: Platform, wanted: Platform) -> bool:
    """Whether an image is for a platform; what its config does not state is not compared."""
    have = image.normalized()
    if have.os not in ("", wanted.os) or have.architecture not in ("", wanted.architecture):
        return False
    return not have.variant or have.variant in _variants(wanted)


def _preferences(wanted: Platform, *, variants: bool) -> list[Callable[[Platform], bool]]:
    def same_machine(have: Platform) -> bool:
        return have.os == wanted.os and have.architecture == wanted.architecture

    def same_variant(variant: str) -> Callable[[Platform], bool]:
        return lambda have: same_machine(have) and have.variant == variant

    if not variants:
        return [same_machine]
    return [same_variant(variant) for variant in _variants(wanted)]


def _variants(wanted: Platform) -> list[str]:
    """The variants that run on a platform, the best first (PLAT-004); "" is none stated."""
    base = _BASE.get(wanted.architecture, "")
    if wanted.architecture == "arm64":
        order = tuple(_arm64_downwards(wanted.variant))
    else:
        order = _VARIANTS.get(wanted.architecture, ())
    if not wanted.variant:
        # Of arm any variant may be meant; the others have one that every machine runs.
        return ["", base] if base else ["", *order]
    if wanted.variant not in order:
        return [wanted.variant, ""]
    return [*order[order.index(wanted.variant) :], ""]


def _arm64_downwards(variant: str) -> Iterator[str]:
    """The versions of arm64 that a processor of a version runs, in falling order.

    Source: the Arm architecture reference manual: v9.0 has the features of v8.5, v9.1 those of
    v8.6, and so on.
    """
    match = re.fullmatch(r"v([89])(?:\.([0-9]))?", variant)
    if match is None:
        return
    major, minor = int(match[1]), int(match[2] or 0)
    while True:
        yield f"v{major}.{minor}" if minor else f"v{major}"
        if minor:
            minor -= 1
        elif major == 9:
            major, minor = 8, 5
        else:
            return
