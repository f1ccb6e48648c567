"""The platform of this machine, whatever name it has for its processor."""

from __future__ import annotations

import platform as host
import sys

import pytest

from towline.image.descriptor import Descriptor
from towline.image.instances import choose_instance
from towline.image.platform import host_platform

ALL_ARM = ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]


@pytest.mark.clause("PLAT-001", "PLAT-008")
@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        ("x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("armv8l", "linux/arm/v8"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("armv5tejl", "linux/arm/v5"),
        ("i686", "linux/386"),
        ("loongarch64", "linux/loong64"),
        ("ppc64le", "linux/ppc64le"),
        ("riscv64", "linux/riscv64"),
        ("s390x", "linux/s390x"),
    ],
)
def test_the_machine_has_a_variant(
    monkeypatch: pytest.MonkeyPatch, machine: str, wanted: str
) -> None:
    """An armv6l is linux/arm/v6, so that it gets no image for v7, which crashes there."""
    monkeypatch.setattr(host, "machine", lambda: machine)
    assert str(host_platform()) == wanted


@pytest.mark.clause("PLAT-001", "PLAT-004")
@pytest.mark.parametrize(("machine", "chosen"), [("armv7l", 1), ("armv6l", 2), ("armv5tel", 3)])
def test_an_old_processor_gets_an_image_that_it_runs(
    monkeypatch: pytest.MonkeyPatch, machine: str, chosen: int
) -> None:
    """The index has all variants of arm, and the newest usable one is chosen."""
    monkeypatch.setattr(host, "machine", lambda: machine)
    entries = [Descriptor("", text, 0, platform=host_platform().parse(text)) for text in ALL_ARM]
    found = choose_instance(entries, host_platform(), variants=True, list_kind="image index")
    assert found.digest_text == ALL_ARM[chosen]


@pytest.mark.clause("PLAT-008")
@pytest.mark.parametrize(("order", "wanted"), [("little", "mips64le"), ("big", "mips64")])
def test_mips_has_a_byte_order(monkeypatch: pytest.MonkeyPatch, order: str, wanted: str) -> None:
    """The system calls a machine of either byte order mips64."""
    monkeypatch.setattr(host, "machine", lambda: "mips64")
    monkeypatch.setattr(sys, "byteorder", order)
    assert host_platform().architecture == wanted


@pytest.mark.clause("PLAT-001")
@pytest.mark.parametrize(("machine", "wanted"), [("aarch64", "arm/v8"), ("x86_64", "386")])
def test_a_32_bit_process_on_a_64_bit_processor(
    monkeypatch: pytest.MonkeyPatch, machine: str, wanted: str
) -> None:
    """Raspberry Pi OS of 32 bits is such a system: its kernel has 64."""
    monkeypatch.setattr(host, "machine", lambda: machine)
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)
    assert str(host_platform()) == f"linux/{wanted}"
