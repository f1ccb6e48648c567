"""Run one command and print its costs: ``python -I -S launch.py MODE LOG COMMAND...``.

This is a separate small program, because on Linux a new process inherits the peak memory of the
process that it was forked from.  The measuring process must be smaller than the measured one.

In the mode ``even`` nothing is flushed to the disk: a seccomp filter makes ``fsync`` and similar
calls succeed without an effect, for every command.  skopeo and podman flush each blob, towline only
its records, crane and curl nothing; without the filter the comparison would measure these choices
and the speed of the disk.  In the mode ``own`` flushes have their normal effect.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time

# fsync, fdatasync, sync, syncfs, sync_file_range, msync
_FLUSHES = {
    "x86_64": (0xC000003E, (74, 75, 162, 306, 277, 26)),
    "aarch64": (0xC00000B7, (82, 83, 81, 267, 84, 227)),
}
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVILEGES = 22, 2, 38  # of prctl
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # of BPF
_ALLOW, _RETURN_ZERO = 0x7FFF0000, 0x00050000


def ignore_flushes() -> bool:
    """Make flushes do nothing in this process and its children; False if that is not possible."""
    machine = platform.machine()
    if machine not in _FLUSHES:
        return False
    audit, calls = _FLUSHES[machine]
    count = len(calls)
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 0, count + 1, audit),
        (_LOAD, 0, 0, 0),  # the number of the call
        *((_EQUAL, count - index, 0, call) for index, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _RETURN_ZERO),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_SET_SECCOMP, _FILTER, ctypes.create_string_buffer(program), 0, 0) == 0)


def main() -> None:
    """Print wall time, CPU time, peak memory, bytes written, and the exit status."""
    mode, log, *command = sys.argv[1:]
    if mode == "even" and not ignore_flushes():
        sys.exit("this kernel cannot make flushes do nothing")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    begun = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - begun
    cpu = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    print(wall, cpu, usage.ru_maxrss * 1024, usage.ru_oublock * 512, code)


if __name__ == "__main__":
    main()
