"""Recognises what a path has, if the transport of a reference cannot read it."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from towline.errors import PathError, SourceError, TowlineError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["recognising"]

_ERRNOS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)
_CODES = ("archive.no_file", "archive.no_member", "archive.not_tar", "path.not_a_file")
_FORMATS = ("gzip", "bzip2", "xz", "zstd")
_FOLDERS = {"index.json": "oci", "manifest.json": "dir"}
_ARCHIVES = {"index.json": "oci-archive", "manifest.json": "docker-archive"}


@contextmanager
def recognising(transport: str, path: str) -> Iterator[None]:
    """Add a step to the error of a path that another transport reads (TRANS-110).

    Args:
        transport: of the reference.
        path: the archive or folder.
    """
    try:
        yield
    except TowlineError as error:
        if _may_be_other(error):
            other = _transport_of(path)
            if other not in ("", transport):
                error.during("other-kind", path=path, given=transport, transport=other)
        raise


def _may_be_other(error: TowlineError) -> bool:
    if error.code == "path.unusable":
        return error.facts["errno"] in _ERRNOS
    return error.code in _CODES


def _transport_of(path: str) -> str:
    """The transport that reads a path; "" if there is nothing at it, or none reads it."""
    if os.path.isdir(path):
        names = (name for name in _FOLDERS if os.path.isfile(os.path.join(path, name)))
        return _FOLDERS.get(next(names, ""), "")
    if not os.path.isfile(path):
        return ""
    from towline.source.archive import ArchiveMembers

    with suppress(PathError, SourceError):
        members = ArchiveMembers(path, _FORMATS)
        try:
            found = (name for name in _ARCHIVES if members.resolved(name) is not None)
            return _ARCHIVES.get(next(found, ""), "")
        finally:
            members.close()
    return ""
