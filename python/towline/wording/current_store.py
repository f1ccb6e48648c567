"""The sentences of `current` about stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["STORE"]

Template = str | Callable[[Mapping[str, Any]], str]

STORE: Mapping[str, Template] = {
    "store.ambiguous_id": "{id!q} begins the IDs of {ids[0]!q} and others; give more of the ID",
    "store.blob_closed": (
        "cannot read the blob {path!q} of the store: {reason}; pull the image again, which fetches"
        " it anew, or make the file readable"
    ),
    "store.blob_damaged": (
        "the blob {digest} is damaged: its bytes have the digest {got}; remove {path!q} and"
        " pull the image again"
    ),
    "store.blob_missing": "the blob {digest} is missing from the store; pull the image again",
    "store.blob_unreadable": (
        "the layer {digest} cannot be decompressed: {detail} ({code} at byte {offset})"
    ),
    "store.busy": lambda facts: (
        f"the store {facts['path']} is in use by "
        + (", ".join(map(str, facts["holders"])) or "another process")
        + "; try again when that is done"
    ),
    "store.id_in_use": (
        "the ID {id} that was asked for is that of another stored image; remove that one first,"
        " or give this one another name"
    ),
    "store.incomplete": "the image {id} cannot be stored: its blob {digest} is missing",
    "store.index_damaged": (
        "{path!q} cannot be read: {reason}; the next pull into the store makes it anew"
    ),
    "store.index_differs": (
        "{path!q} does not show {name} as the store has it; the next pull into the store"
        " makes it anew"
    ),
    "store.index_unreadable": (
        "{path!q} cannot be read: {reason}; nothing was changed, since it may list images of other"
        " tools: make it readable and try again"
    ),
    "store.invalid_id": "{id!q} is not a whole image ID",
    "store.lookup_wrong": "the store does not find {key!q}, which is {id}; pull it again",
    "store.missing": "there is no store in {path!q}; a pull makes one, and --root names another",
    "store.newer": (
        "the store {path!q} has the version {version}; this towline knows version {known}"
    ),
    "store.no_space": (
        "the image needs {needed:byte} and {path!q} has {free:byte} free; free some space,"
        " then pull again: what was downloaded is kept"
    ),
    "store.not_a_folder": (
        "{path!q} belongs to the store and is not a folder of it, but a file or a link"
    ),
    "store.record_damaged": (
        "the record {path!q} is damaged: {reason}; pull the image again, or remove {id}"
    ),
    "store.record_undecided": (
        "the record {path!q} was written by an earlier towline and does not say which of several"
        " images its names are of; pull the image again, run towline gc, or remove {id}"
    ),
    "store.record_unreadable": (
        "the record {path!q} cannot be read: {reason}; nothing was changed, try again"
    ),
    "store.unknown_image": (
        "the store {path!q} has no image {name!q}; towline images lists those that it has"
    ),
    "store.write_failed": "cannot write to the store: {reason}",
}
