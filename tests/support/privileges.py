"""Apply file modes to root as well, by dropping capabilities."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

__all__ = ["bound_by_file_modes"]

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities each
_OVERRIDE = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextlib.contextmanager
def bound_by_file_modes() -> Iterator[None]:
    """Drop the capabilities by which root ignores file modes, in this thread and its new threads.

    For other users nothing changes.  Programs that are started as root regain the capabilities.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION, 0), (_Data * 2)()
    _checked(libc.capget(ctypes.byref(header), data))
    effective = data[0].effective
    data[0].effective = effective & ~_OVERRIDE
    _checked(libc.capset(ctypes.byref(header), data))
    try:
        yield
    finally:
        data[0].effective = effective
        _checked(libc.capset(ctypes.byref(header), data))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
