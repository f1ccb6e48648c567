"""Error sentences of the edition ``current`` about archives, OCI layouts and tar files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.go.go_quote import quote
from towline.wording.counting import counted, joined, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["ARCHIVES"]


def _entries(facts: Mapping[str, Any]) -> str:
    """The entries of an OCI layout, as in ``@0 "x:1" (linux/amd64, sha256:...)``."""
    return joined([_entry(entry) for entry in facts["entries"]])


def _entry(entry: Mapping[str, Any]) -> str:
    names = "".join(f" {quote(name)}" for name in entry["names"])
    details = (entry["platform"], entry["artifact_type"], entry["digest"])
    shown = (text if text.isascii() and text.isprintable() else quote(text) for text in details)
    return f"@{entry['number']}{names} ({', '.join(filter(None, shown))})"


ARCHIVES: Mapping[str, Template] = {
    "archive.compression": (
        "cannot decompress the archive {path!q}: {detail}; it is damaged or truncated, so fetch or"
        " create it again"
    ),
    "archive.config_not_json": (
        "cannot read the image config {member!q} in {path!q}: {reason}; save the image again"
    ),
    "archive.damaged": "the archive {path!q} is damaged: {detail}; fetch or create it again",
    "archive.item_count": (
        "the archive {path!q} contains {count:image}, but these rules support archives of one image"
        " only; use the current rules"
    ),
    "archive.layer_count": (
        "the image in {path!q} is inconsistent: manifest.json lists {in_manifest:layer} and the"
        " config lists {in_config}; save the image again"
    ),
    "archive.layer_used_twice": (
        "the image in {path!q} is inconsistent: two different layers of its config are in the same"
        " member {member!q}; save the image again"
    ),
    "archive.layers_missing": (
        "the archive {path!q} has no {members[0]!q}, which its manifest.json lists as a layer; save"
        " the image again"
    ),
    "archive.link_loop": "the member {member!q} of {path!q} is a link without a valid target",
    "archive.manifest_not_json": (
        "cannot read manifest.json in {path!q}: {reason}; save the image again"
    ),
    "archive.member_damaged": (
        "cannot read the member {member!q} of {path!q}: {detail} (at byte {offset}); fetch or"
        " create the archive again"
    ),
    "archive.no_file": (
        "the archive {path!q} has no {member!q}, so it is not an OCI layout; for an archive of"
        " docker save, use docker-archive:"
    ),
    "archive.no_images": "manifest.json in {path!q} lists no image",
    "archive.no_input": (
        "nothing was received from {path!q}; the program that writes to it may have failed, or it"
        " was read before"
    ),
    "archive.no_instance": "{path!q} has no image with the digest {instance}",
    "archive.no_member": lambda facts: (
        f"the archive {quote(facts['path'])} has no manifest.json, so it is not an archive of"
        " docker save; for an OCI layout, use oci-archive:"
        if facts["member"] == "manifest.json"
        else f"the archive {quote(facts['path'])} has no {quote(facts['member'])}, which its"
        " manifest.json lists; save the image again"
        if facts["member"]
        else f"manifest.json in {quote(facts['path'])} lists no config; save the image again"
    ),
    "archive.no_rootfs": (
        "the image config {member!q} in {path!q} does not list its layers; save the image again"
    ),
    "archive.no_such_image": lambda facts: (
        f"the archive {quote(facts['path'])} has no image {facts['name']}; it has "
        + (listed(facts["names"]) or "only images without names")
    ),
    "archive.no_such_index": "the archive {path!q} has no image number {index}",
    "archive.not_regular": "the member {member!q} of {path!q} is not a regular file",
    "archive.not_tar": "{path!q} is not a tar archive",
    "archive.unknown_layer": "{path!q} has no layer {digest}",
    "archive.unnamed_layers": (
        "{path!q} lists {count:layer} without a file: pack writes such archives for layers that it"
        " reuses from a daemon or registry; export the image with docker save instead"
    ),
    "archive.unreadable": "cannot read {path!q}: {detail}",
    "layout.ambiguous": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has several images named {quote(facts['image'])};"
        f" select one by its number after the path: {_entries(facts)}"
    ),
    "layout.choose_image": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has no image"
        if not facts["count"]
        else f"the OCI layout {quote(facts['path'])} has {counted(facts['count'], 'image')}; select"
        f" one by its name or number after the path: {_entries(facts)}"
    ),
    "layout.index_not_json": "cannot read index.json of the OCI layout {path!q}: {reason}",
    "layout.no_such_image": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has no image named {quote(facts['image'])}; it has "
        + (_entries(facts) or "no images")
    ),
    "layout.no_such_number": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has no image number {facts['number']}; it has "
        + (_entries(facts) or "no images")
    ),
    "tarball.compression": (
        "{path!q} is compressed with {compression}, which is not supported for layers; decompress"
        " it, or compress it with gzip or zstd"
    ),
    "tarball.not_a_layer": (
        "cannot use {path!q} as a layer: {detail} (at byte {offset}); tarball: accepts tar files,"
        " uncompressed or compressed with gzip or zstd"
    ),
}
