"""Properties of the choice by platform: no image is chosen that the processor cannot run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import PlatformMismatchError
from towline.image.descriptor import Descriptor
from towline.image.instances import choose_instance, on_machine, runs_on
from towline.image.platform import Platform, parse_platform

#: The variants of each architecture, each with a rank: a processor runs its own and lower ones.
RANKS: dict[str, dict[str, float]] = {
    "amd64": {"": 1, "v1": 1, "v2": 2, "v3": 3, "v4": 4},
    "arm": {"v5": 5, "v6": 6, "v7": 7, "v8": 8},
    "arm64": {"": 8, "v8": 8, "v8.1": 8.1, "v8.4": 8.4, "v8.5": 8.5, "v9": 8.55},
    "s390x": {"": 0},
}
platforms = st.sampled_from(
    [
        Platform(os, architecture, variant)
        for os in ("linux", "windows")
        for architecture, ranks in RANKS.items()
        for variant in ranks
    ]
)


def rank(platform: Platform) -> float:
    """The rank of the variant of a platform."""
    return RANKS[platform.architecture][platform.variant]


def runnable(image: Platform, machine: Platform) -> bool:
    """Whether a machine runs an image."""
    same = (image.os, image.architecture) == (machine.os, machine.architecture)
    return same and rank(image) <= rank(machine)


def choose(available: list[Platform | None], wanted: Platform) -> Platform | None:
    """The platform of the chosen entry; PlatformMismatchError if there is none."""
    entries = [Descriptor("", "", 0, platform=platform) for platform in available]
    return choose_instance(entries, wanted, variants=True, list_kind="image index").platform


@pytest.mark.clause("PLAT-003", "PLAT-004", "PLAT-005")
@given(platforms, st.lists(platforms | st.none(), max_size=6))
def test_the_best_image_that_runs_is_chosen(
    machine: Platform, available: list[Platform | None]
) -> None:
    """Then one without a platform; never one for a higher variant or another processor."""
    suitable = [each for each in available if each is not None and runnable(each, machine)]
    try:
        chosen = choose(available, machine)
    except PlatformMismatchError:
        assert not suitable
        assert None not in available
        return
    if chosen is None:
        assert not suitable
    else:
        assert runnable(chosen, machine)
        assert rank(chosen) == max(map(rank, suitable))


@pytest.mark.clause("PLAT-004", "PLAT-009")
@given(platforms, platforms)
def test_what_is_chosen_is_never_another_platform(image: Platform, machine: Platform) -> None:
    """The comparison of a single image and the choice from an index have one rule."""
    assert runs_on(image, machine) == runnable(image, machine)


@pytest.mark.clause("PLAT-001")
@given(platforms, platforms)
def test_only_the_platform_of_the_machine_has_its_variant(wanted: Platform, host: Platform) -> None:
    """Another architecture or a requested variant is kept."""
    found = on_machine(wanted, host)
    same = (wanted.os, wanted.architecture) == (host.os, host.architecture)
    assert found.variant == (host.variant if same and not wanted.variant else wanted.variant)


@pytest.mark.clause("PLAT-008")
@given(st.text(st.characters(exclude_characters="/"), min_size=1), st.text(min_size=1))
def test_normalizing_twice_changes_nothing(os: str, architecture: str) -> None:
    """Any text has one normal form."""
    once = Platform(os, architecture).normalized()
    assert once.normalized() == once


@pytest.mark.clause("PLAT-008")
@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64/v2", "linux/amd64/v2"),
        ("Linux/AArch64", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/V6", "linux/arm/v6"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/loongarch64", "linux/loong64"),
        ("linux/ppc64el", "linux/ppc64le"),
        ("linux/mips64el", "linux/mips64le"),
        ("macos/arm64", "darwin/arm64"),
        ("plan9/mips", "plan9/mips"),
    ],
)
def test_names_of_platforms(text: str, normal: str) -> None:
    """The names of uname, Debian and users, and those of the OCI specifications."""
    assert str(parse_platform(text)) == normal
