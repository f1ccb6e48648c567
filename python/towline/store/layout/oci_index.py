"""``index.json`` of the OCI layout, for other tools; it is made from the records.

The records are authoritative.  An image has one entry for each of its names that is valid in an OCI
layout, or one entry without a name if there is none; so other tools find all blobs that are needed.
Entries of other tools are kept, and take precedence over our entry of the same name until that name
is pulled again.  There is one entry per line, so that a change of one entry parses no other one.  A
checksum in another file shows whether another tool has written the index since.

Other tools take no lock: some truncate the file before they write it.  So a file that cannot be
parsed counts as damaged only once nobody has written it for a while, and a damaged file is kept.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from towline.cancel import CancelToken
from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen
from towline.go import json_depth
from towline.image.manifest import OCI_INDEX
from towline.image.oci_layout import REF_NAME, is_layout_name
from towline.name.digest import sha256_of
from towline.store.layout import files
from towline.store.layout.paths import StorePaths, is_id
from towline.store.layout.stamps import is_settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from towline.store.layout.records import Record

__all__ = [
    "EMPTY",
    "INDEX_ATTEMPTS",
    "NAMELESS",
    "OciIndex",
    "checksum_of",
    "entry_line",
    "is_own_line",
    "shown_names",
]

OURS = "dev.towline.image"  # "<id> <name>"; it differs from the name in an entry edited by others
NAMELESS = ""
INDEX_ATTEMPTS = 8  # while another tool writes index.json too
_PAUSE, _LONGEST_WAIT = 0.05, 5.0  # seconds
_MOST_DAMAGED = 9  # files that are kept


def shown_names(record: Record) -> tuple[str, ...]:
    """Return the names of an image's entries, newest first: the valid names, else `NAMELESS`."""
    return tuple(name for name in record.names if is_layout_name(name)) or (NAMELESS,)


def entry_line(record: Record, name: str) -> bytes:
    """Return the line in index.json for one name of an image."""
    manifest = record.manifest_of(name)
    annotations = {OURS: f"{record.id} {name}"}
    if name != NAMELESS:
        annotations[REF_NAME] = name
    return _line(
        {
            "mediaType": manifest.media_type,
            "digest": str(manifest.digest),
            "size": manifest.size,
            "annotations": annotations,
        }
    )


def is_own_line(line: bytes) -> bool:
    """Whether a line of index.json is an entry that towline wrote."""
    return _is_ours(_entry_of(line.strip().removesuffix(b",")))


def checksum_of(data: bytes) -> bytes:
    """Return the content of the checksum file for this content of index.json."""
    return sha256_of(data).hex.encode()


def _line(entry: object) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode()


def _name_pattern(name: str) -> bytes:
    return _line({REF_NAME: name})[1:-1]


_HEAD = {"schemaVersion": 2, "mediaType": OCI_INDEX}


@frozen
class _Document:
    """index.json, split into the text before the entries, and one line per entry."""

    head: bytes
    lines: Sequence[bytes]

    def joined(self) -> bytes:
        return self.head + b"\n" + b",\n".join(self.lines) + b"\n]}\n"


def _document(head: Mapping[str, Any], lines: Sequence[bytes]) -> _Document:
    rest = {key: value for key, value in head.items() if key != "manifests"}
    return _Document(_line({"schemaVersion": 2, **rest})[:-1] + b',"manifests":[', lines)


EMPTY = _document(_HEAD, ()).joined()


@frozen
class OciIndex:
    """index.json of one store.  The writer must hold the index lock."""

    paths: StorePaths

    def read(self, cancel: CancelToken | None = None) -> tuple[bytes | None, bool]:
        """Read the file once no other tool is about to write it.

        Args:
            cancel: ends the wait.

        Returns:
            The file, None if it is missing; and whether towline wrote it last.

        Raises:
            StoreError: ``store.index_unreadable``: it cannot be read now; ``store.index_busy``:
                another tool does not finish writing it.
            PullCancelledError: the caller cancelled during the wait.
        """
        token = CancelToken() if cancel is None else cancel
        end = time.monotonic() + _LONGEST_WAIT
        while True:
            data = self._data()
            own = data is not None and self._is_own(data)
            if data is None or own or self._is_settled(data):
                return data, own
            if time.monotonic() > end:
                raise StoreError("store.index_busy", path=self.paths.index)
            token.wait(_PAUSE)

    def _is_own(self, data: bytes) -> bool:
        try:
            return files.read(self.paths.index_checksum) == checksum_of(data)
        except PathError:
            return False

    def _is_settled(self, data: bytes) -> bool:
        try:
            self._parse(data)
        except StoreError:
            with path_errors("lstat", self.paths.index):
                return is_settled(os.lstat(self.paths.index))
        return True

    def changed_since(self, base: bytes | None) -> bool:
        """Whether the file has other bytes than `base`."""
        return self._data() != base

    def shows(self, data: bytes, record: Record, names: Sequence[str]) -> bool:
        """Whether the file has the right entries for these names of an image."""
        shown = shown_names(record)
        wanted = [name for name in shown if name in names or name == NAMELESS]
        return all(entry_line(record, name) in data for name in wanted)

    def with_names(
        self, data: bytes, record: Record, names: Sequence[str], others: Sequence[Record]
    ) -> bytes:
        """Return the file after names were moved to an image from the images of `others`."""
        patterns = [_name_pattern(name) for name in names]
        nameless = {entry_line(changed, NAMELESS) for changed in (record, *others)}
        document = _split(data)
        lines = [
            line
            for line in document.lines
            if line not in nameless
            and not (any(p in line for p in patterns) and _ref_name(_entry_of(line)) in names)
        ]
        lines += [entry_line(record, name) for name in names if is_layout_name(name)]
        for changed in (record, *others):
            if shown_names(changed) == (NAMELESS,):
                lines.append(entry_line(changed, NAMELESS))
        return _Document(document.head, lines).joined()

    def without(
        self, data: bytes, record: Record, names: Sequence[str], left: Record | None
    ) -> bytes:
        """Return the file without our entries for these names; `left` is the remaining record."""
        gone = {entry_line(record, name) for name in (*names, NAMELESS)}
        document = _split(data)
        lines = [line for line in document.lines if line not in gone]
        if left is not None and shown_names(left) == (NAMELESS,):
            lines.append(entry_line(left, NAMELESS))
        return _Document(document.head, lines).joined()

    def rebuilt(
        self, base: bytes | None, records: Iterable[Record], taken: Sequence[str] = ()
    ) -> bytes:
        """Return the file made from the records and the entries of other tools.

        Args:
            base: the present file, from `read`.
            records: all records, in which no name occurs twice.
            taken: names that were just pulled; entries of other tools with them are dropped.
        """
        head, foreign = self._foreign(base)
        lines = [_line(entry) for entry in foreign if _ref_name(entry) not in taken]
        shadowed = {_ref_name(entry) for entry in foreign}.difference(taken)
        for record in records:
            shown = (name for name in reversed(shown_names(record)) if name not in shadowed)
            lines.extend(entry_line(record, name) for name in shown)
        return _document(head, lines).joined()

    def nameless(self) -> set[bytes]:
        """Return the lines of our entries without a name; raises as `names`."""
        entries = self._parse(self._data() or EMPTY)["manifests"]
        return {_line(entry) for entry in entries if _is_ours(entry) and not _ref_name(entry)}

    def foreign(self, data: bytes | None) -> Sequence[Any]:
        """Return the entries of other tools in a file from `read`.

        Raises:
            StoreError: ``store.index_damaged``.
        """
        return self._entries(data)[1]

    def foreign_names(self) -> set[str]:
        """Return the names in the entries of other tools; raises as `names`."""
        foreign = self.foreign(self._data())
        return {name for entry in foreign if (name := _ref_name(entry)) is not None}

    def names(self) -> dict[str, bytes]:
        """Return the line of each name in the file, of our entries and those of other tools.

        Raises:
            StoreError: ``store.index_damaged``.
        """
        entries = self._parse(self._data() or EMPTY)["manifests"]
        return {name: _line(entry) for entry in entries if (name := _ref_name(entry)) is not None}

    def damaged(self) -> dict[str, bytes]:
        """Return the damaged files that were kept, which may have entries of other tools.

        Raises:
            StoreError: ``store.index_unreadable``.
        """
        kept = (path for path in self._damaged_paths() if files.exists(path))
        return {path: self._data(path) or b"" for path in kept}

    def _damaged_paths(self) -> Iterator[str]:
        path, dot, suffix = self.paths.index_damaged.rpartition(".")
        yield self.paths.index_damaged
        for number in range(2, _MOST_DAMAGED + 1):
            yield f"{path}-{number}{dot}{suffix}"

    def _foreign(self, base: bytes | None) -> tuple[Mapping[str, Any], Sequence[Any]]:
        try:
            return self._entries(base)
        except StoreError:
            # The damaged file may have entries of other tools, so it is kept for the user.
            self._keep_damaged(base or b"")
            return _HEAD, ()

    def _keep_damaged(self, data: bytes) -> None:
        for path in self._damaged_paths():
            if not files.exists(path):
                files.write(self.paths.tmp, path, data, sync=False)
                return
            if self._data(path) == data:
                return
        raise StoreError("store.index_copies", path=self.paths.index_damaged, count=_MOST_DAMAGED)

    def _data(self, path: str = "") -> bytes | None:
        path = path or self.paths.index
        try:
            return files.read(path)
        except PathError as error:
            reason = os.strerror(error.facts["errno"]).lower()
            raise StoreError("store.index_unreadable", path=path, reason=reason) from None

    def _entries(self, data: bytes | None) -> tuple[Mapping[str, Any], Sequence[Any]]:
        if data is None:
            return _HEAD, ()
        document = self._parse(data)
        return document, [entry for entry in document["manifests"] if not _is_ours(entry)]

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            document = json_depth.loads(data)
        except ValueError as fault:
            raise StoreError(
                "store.index_damaged", path=self.paths.index, reason=str(fault)
            ) from None
        if not isinstance(document, dict) or not isinstance(
            document.setdefault("manifests", []), list
        ):
            raise StoreError(
                "store.index_damaged", path=self.paths.index, reason="not an OCI index"
            )
        return document


def _split(data: bytes) -> _Document:
    """Split a file that towline wrote."""
    head, *lines = data.removesuffix(b"\n]}\n").split(b"\n")
    return _Document(head, [line.removesuffix(b",") for line in lines if line])


def _entry_of(line: bytes) -> Any:
    try:
        return json_depth.loads(line)
    except ValueError:  # possible only with a forged checksum
        return None


def _annotations(entry: Any) -> Mapping[str, Any]:
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _ref_name(entry: Any) -> str | None:
    name = _annotations(entry).get(REF_NAME)
    return name if isinstance(name, str) else None


def _is_ours(entry: Any) -> bool:
    ours = _annotations(entry).get(OURS)
    if not isinstance(ours, str):
        return False
    image_id, _, name = ours.partition(" ")
    return is_id(image_id) and name == (_ref_name(entry) or NAMELESS)
