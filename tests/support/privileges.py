"""File modes that hold for root as well."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

__all__ = ["bound_by_file_modes"]

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities each
_PASSING_BY = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


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
    """This thread, and those that it starts, may do with a file what its mode allows.

    Others never could do more.  Programs that are started have the rights of root again.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION, 0), (_Data * 2)()
    _checked(libc.capget(ctypes.byref(header), data))
    effective = data[0].effective
    data[0].effective = effective & ~_PASSING_BY
    _checked(libc.capset(ctypes.byref(header), data))
    try:
        yield
    finally:
        data[0].effective = effective
        _checked(libc.capset(ctypes.byref(header), data))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
