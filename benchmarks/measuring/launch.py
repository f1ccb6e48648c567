"""Runs one command and prints what it cost: ``python -I -S launch.py HOW LOG COMMAND...``.

A program of its own, and a small one: Linux gives a new process the peak of the one that it was
forked from, so whoever measures peaks must be smaller than what is measured.

With ``even`` as HOW nothing is flushed to the disk: the kernel answers ``fsync`` and its like with
success and does nothing, for every command alike.  skopeo and podman flush each blob, towline only
its records, crane and curl nothing; what is compared would otherwise be how much each trusts the
machine, and how fast its disk is.  With ``own`` each flushes what it will.
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
_ALLOW, _ANSWER_ZERO = 0x7FFF0000, 0x00050000


def hold_flushes() -> bool:
    """Let flushes do nothing in this process and its children; False where that is not possible."""
    machine = platform.machine()
    if machine not in _FLUSHES:
        return False
    audit, calls = _FLUSHES[machine]
    count = len(calls)
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 0, count + 1, audit),
        (_LOAD, 0, 0, 0),  # the number of the call
        *((_EQUAL, count - place, 0, call) for place, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ANSWER_ZERO),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_SET_SECCOMP, _FILTER, ctypes.create_string_buffer(program), 0, 0) == 0)


def main() -> None:
    """Print wall, CPU, peak, bytes written, and the exit status."""
    how, log, *command = sys.argv[1:]
    if how == "even" and not hold_flushes():
        sys.exit("this kernel does not let flushes be held back")
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
