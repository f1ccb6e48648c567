"""Platforms: their names, and that of this machine (PLAT-001, PLAT-008).

`towline.image.instances` chooses by platform.
"""

from __future__ import annotations

import re
import sys

from towline.errors import ConfigurationError
from towline.frozen import frozen

__all__ = ["Platform", "host_platform", "parse_platform"]

# PLAT-008: other names of operating systems and processors, each with Go's name and the variant
# that it implies.
_SYSTEMS = {"macos": "darwin"}
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
    "mipsel": ("mipsle", ""),
    "mips64el": ("mips64le", ""),
    "ppc64el": ("ppc64le", ""),
}
_ARM_MACHINE = re.compile(r"armv([5-8])\w*")  # such as armv7l and armv5tejl
# uname has one name for both byte orders of these processors.
_LITTLE_ENDIAN = {"mips": "mipsle", "mips64": "mips64le"}
# A 32-bit process on a 64-bit processor is on a 32-bit system, or its user wants one.
_32_BIT = {"aarch64": "armv8l", "arm64": "armv8l", "x86_64": "i686", "amd64": "i686"}


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

    def normalized(self) -> Platform:
        """The platform under the names that Go and the OCI specifications use (PLAT-008)."""
        os, variant = self.os.lower(), self.variant.lower()
        architecture, implied = _architecture(self.architecture.lower())
        if variant[:1].isdigit():
            variant = f"v{variant}"
        return Platform(_SYSTEMS.get(os, os), architecture, variant or implied, self.os_version)


def _architecture(name: str) -> tuple[str, str]:
    """Go's name of an architecture, and the variant that a name implies."""
    if match := _ARM_MACHINE.fullmatch(name):
        return "arm", f"v{match[1]}"
    return _ARCHITECTURES.get(name, (name, ""))


def host_platform() -> Platform:
    """The default platform: Linux on this machine's processor, with its variant (PLAT-001)."""
    import platform as _host  # slow to import

    machine = _host.machine().lower()
    if sys.maxsize < 1 << 32:
        machine = _32_BIT.get(machine, machine)
    if sys.byteorder == "little":
        machine = _LITTLE_ENDIAN.get(machine, machine)
    return Platform("linux", machine).normalized()


def parse_platform(text: str) -> Platform:
    """Parse ``OS/ARCH[/VARIANT]``, under any of the names of PLAT-008.

    Raises:
        ConfigurationError: ``option.platform``.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ConfigurationError("option.platform", text=text)
    return Platform(*parts).normalized()
