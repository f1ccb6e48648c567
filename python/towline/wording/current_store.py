"""Error sentences of the edition ``current`` about stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["STORE"]

STORE: Mapping[str, Template] = {
    "store.ambiguous_id": (
        "{id!q} is the start of several image IDs, such as {ids[0]!q}; give more of the ID"
    ),
    "store.blob_closed": (
        "cannot read the blob {path!q} of the store: {reason}; make the file readable, or pull the"
        " image again to fetch the blob again"
    ),
    "store.blob_damaged": (
        "the blob {digest} is damaged: its bytes have the digest {got}; pull the"
        " image again to replace {path!q}"
    ),
    "store.blob_missing": "the blob {digest} is missing from the store; pull the image again",
    "store.blob_unreadable": (
        "cannot decompress the layer {digest}: {detail} ({code} at byte {offset})"
    ),
    "store.busy": lambda facts: (
        f"the store {facts['path']} is in use by "
        + (", ".join(map(str, facts["holders"])) or "another process")
        + "; try again when that has finished"
    ),
    "store.diff_id_count": (
        "{image!q}: the config lists {diff_ids:diff ID} and the manifest {layers:layer}, so the"
        " layers cannot be compared with the config"
    ),
    "store.id_in_use": (
        "the requested ID {id} belongs to another stored image; remove that image first, or use"
        " another name for this one"
    ),
    "store.incomplete": "cannot store the image {id}: its blob {digest} is missing",
    "store.index_busy": ("another program keeps writing {path!q}; try again when it has finished"),
    "store.index_copies": (
        "{path!q} and its numbered neighbours are {count} damaged copies of index.json; remove them"
        " if no other tool needs the images that they list, and try again"
    ),
    "store.index_damaged": (
        "cannot read {path!q}: {reason}; the next pull into the store creates it again"
    ),
    "store.index_differs": (
        "{path!q} differs from the store in the entry for {name}; the next pull into the store"
        " creates it again"
    ),
    "store.index_unreadable": (
        "cannot read {path!q}: {reason}; nothing was changed, since it may list images of other"
        " tools, so make it readable and try again"
    ),
    "store.invalid_id": "{id!q} is not a complete image ID",
    "store.lookup_wrong": "the store cannot look up {key!q} of the image {id}; pull it again",
    "store.missing": (
        "there is no store in {path!q}; pull an image to create one, or select another root"
    ),
    "store.newer": (
        "the store {path!q} has version {version}, but this towline supports version {known}"
    ),
    "store.no_space": (
        "the image needs {needed:byte}, but {path!q} has {free:byte} free; free some space and pull"
        " again (the downloaded data is kept)"
    ),
    "store.not_a_folder": ("{path!q} in the store must be a directory, but it is a file or a link"),
    "store.record_damaged": (
        "the record {path!q} is damaged: {reason}; pull the image again, or remove {id}"
    ),
    "store.record_undecided": (
        "the record {path!q} of an earlier towline does not identify the image of its names; pull"
        " the image again, collect garbage, or remove {id}"
    ),
    "store.record_unreadable": (
        "cannot read the record {path!q}: {reason}; nothing was changed, so try again"
    ),
    "store.unknown_image": (
        "the store {path!q} has no image {name!q}; list its images to see their names"
    ),
    "store.write_failed": "cannot write to the store: {reason}",
}
