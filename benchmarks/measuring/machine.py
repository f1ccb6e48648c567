"""The machine and the versions of its tools, for the report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["describe", "find", "load", "versions"]

_DAEMONS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_VERSION = re.compile(r"\d+\.\d+[\w.+]*")
_VERSION_COMMANDS = {
    "skopeo": ("skopeo", "--version"),
    "podman": ("podman", "--version"),
    "crane": ("crane", "version"),
    "curl": ("curl", "--version"),
    "openssl": ("openssl", "version"),
    "docker-registry": ("docker-registry", "--version"),
}


def find(program: str) -> str | None:
    """The path of a program; Debian installs daemons in directories that may not be on PATH."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_DAEMONS))
    return shutil.which(program, path=path)


def describe() -> dict[str, object]:
    """Processor, cores, memory, system and Python version of the machine."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": pages * size,
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def versions() -> dict[str, str]:
    """The version of every installed tool."""
    found = {}
    for name, command in _VERSION_COMMANDS.items():
        if find(name) is not None:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            version = _VERSION.search(done.stdout or done.stderr)
            found[name] = version[0] if version else ""
    return found


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor()
