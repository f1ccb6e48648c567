"""Sentences of today's edition: what was tried, where, why it failed, and what can be done.

Untrusted text is quoted, so that no terminal acts on it.  Steps are prefixes, outermost first; one
that would say nothing new to the reader is empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from towline.go.go_quote import quote
from towline.wording.counting import counted
from towline.wording.current_configuration import CONFIGURATION
from towline.wording.current_registry import REGISTRY
from towline.wording.current_store import STORE

__all__ = ["ERRORS", "STEPS", "TEXTS"]

Template = str | Callable[[Mapping[str, Any]], str]


_LISTED = 20  # names that one sentence lists
_DOING = {"mkdir": "make the folder", "open": "open", "read": "read", "write": "write"}


def _listed(names: Sequence[object]) -> str:
    """Names that somebody else chose, as part of a sentence."""
    told = ", ".join(quote(str(name)) for name in names[:_LISTED])
    return f"{told} and {len(names) - _LISTED} more" if len(names) > _LISTED else told


def _attempts(facts: Mapping[str, Any]) -> str:
    pairs = list(zip(facts["images"], facts["errors"], strict=True))
    if len(pairs) == 1:
        return f"cannot pull {pairs[0][0]}: {pairs[0][1]}"
    lines = "".join(f"\n  {image}: {error}" for image, error in pairs)
    return f"cannot pull {facts['name']}: none of {len(pairs)} candidates could be pulled{lines}"


def _after_mirrors(facts: Mapping[str, Any]) -> str:
    """The registry's own error first: it says most about the name; then why no mirror helped."""
    told = zip(facts["locations"], facts["errors"], strict=True)
    return (
        f"{facts['error']} (its mirrors failed too: "
        + "; ".join(f"{location}: {error}" for location, error in told)
        + ")"
    )


def _invalid_name(facts: Mapping[str, Any]) -> str:
    name = facts["name"]
    scheme, found, _ = name.partition("://")
    if found and scheme in ("http", "https"):
        return f"{quote(name)} is an address and no image name; leave out {scheme}://"
    hint = ""
    if name.startswith(("/", "./", "../", "~")):
        hint = "; a path needs its transport before it, such as oci:, dir: or docker-archive:"
    return f"{quote(name)} is not a valid image name{hint}"


def _no_search_registries(facts: Mapping[str, Any]) -> str:
    name, transport = facts["name"], facts.get("transport")
    if transport:
        return (
            f"{quote(name)} cannot be read as {transport}:, and as a short name it is searched"
            f" nowhere; check what stands behind {transport}:"
        )
    told = (
        f"{quote(name)} is a short name and registries.conf has no unqualified-search-registries;"
        " give the full name, such as docker.io/"
    ) + (name if "/" in name else f"library/{name}")
    if name.endswith((".tar", ".tgz", ".gz", ".xz", ".zst", ".bz2")):
        told += ", or for a file its transport, as in docker-archive:FILE or oci-archive:FILE"
    return told


def _unusable(facts: Mapping[str, Any]) -> str:
    doing = _DOING.get(facts["operation"], "use the path")
    return f"cannot {doing} {quote(facts['path'])}: {os.strerror(facts['errno']).lower()}"


_OWN: Mapping[str, Template] = {
    "archive.compression": (
        "the archive {path!q} cannot be decompressed: {detail}; it is damaged or was cut short, so"
        " fetch or make it again"
    ),
    "archive.config_not_json": (
        "the image's config {member!q} in {path!q} cannot be read: {reason}; save the image again"
    ),
    "archive.damaged": "the archive {path!q} is damaged: {detail}; fetch or make it again",
    "archive.item_count": (
        "the archive {path!q} holds {count:image}, and these rules read archives of one image; use"
        " the current rules"
    ),
    "archive.layer_count": (
        "the image in {path!q} is inconsistent: manifest.json lists {in_manifest:layer} and the"
        " config {in_config}; save the image again"
    ),
    "archive.layer_used_twice": (
        "the image in {path!q} is inconsistent: its config has two different layers in the one"
        " member {member!q}; save the image again"
    ),
    "archive.layers_missing": (
        "the archive {path!q} lacks {members[0]!q}, which its manifest.json lists as a layer; save"
        " the image again"
    ),
    "archive.link_loop": "the member {member!q} of {path!q} is a link that leads nowhere",
    "archive.manifest_not_json": (
        "manifest.json in {path!q} cannot be read: {reason}; save the image again"
    ),
    "archive.member_damaged": (
        "the member {member!q} of {path!q} cannot be read: {detail} (at byte {offset}); fetch or"
        " make the archive again"
    ),
    "archive.no_file": (
        "the archive {path!q} has no {member!q}; is it an OCI layout? what docker save writes is"
        " read as docker-archive:"
    ),
    "archive.no_images": "the manifest.json of {path!q} lists no image",
    "archive.no_instance": "{path!q} has no image with the digest {instance}",
    "archive.no_member": lambda facts: (
        f"the archive {quote(facts['path'])} has no manifest.json; is it what docker save writes?"
        " an OCI layout is read as oci-archive:"
        if facts["member"] == "manifest.json"
        else f"the archive {quote(facts['path'])} has no {quote(facts['member'])}, which its"
        " manifest.json names; save the image again"
        if facts["member"]
        else f"manifest.json in {quote(facts['path'])} names no config; save the image again"
    ),
    "archive.no_rootfs": (
        "the image's config {member!q} in {path!q} does not say which layers it has; save the image"
        " again"
    ),
    "archive.no_such_image": lambda facts: (
        f"the archive {quote(facts['path'])} has no image {facts['name']}; it has "
        + (_listed(facts["names"]) or "images without names only")
    ),
    "archive.no_such_index": "the archive {path!q} has no image number {index}",
    "archive.not_regular": "the member {member!q} of {path!q} is not a file that can be read",
    "archive.not_tar": "{path!q} is not a tar archive",
    "archive.unknown_layer": "{path!q} has no layer {digest}",
    "archive.unreadable": "cannot read {path!q}: {detail}",
    "cancelled.by_caller": "cancelled",
    "config.not_json": "the image's config cannot be read: {reason}",
    "core.file": "cannot read {path!q}: {detail} (at byte {offset})",
    "core.layer": "the layer cannot be unpacked: {detail} (at byte {offset})",
    "digest.algorithm": (
        "the digest {digest!q} has an unknown algorithm; sha256, sha384 and sha512 are known"
    ),
    "digest.format": "the digest {digest!q} is not of the form algorithm:hex in lower case",
    "digest.length": "the digest {digest!q} has not the length of its algorithm",
    "label.missing": "{image} has no label {label!q}",
    "layout.choose_image": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has no image"
        if not facts["count"]
        else f"the OCI layout {quote(facts['path'])} has {counted(facts['count'], 'image')}; choose"
        " one by its name behind the path: "
        + (_listed(facts["names"]) or "but none of them has a name")
    ),
    "layout.index_not_json": "index.json of the OCI layout {path!q} cannot be read: {reason}",
    "layout.no_such_image": lambda facts: (
        f"the OCI layout {quote(facts['path'])} has no image named {quote(facts['image'])}; it has "
        + (_listed(facts["names"]) or "none with a name")
    ),
    "limit.archive": "the archive {path!q} is refused, as it passes a limit: {detail}",
    "limit.document": (
        "the {what} from {origin} is longer than {limit:byte}, the most that is accepted"
    ),
    "manifest.ambiguous": (
        "the manifest is ambiguous: beside its own fields it has {fields[0]}, so other tools"
        " may read another image out of it"
    ),
    "manifest.nested": "lists of images are nested more than {limit} deep",
    "manifest.not_json": "the manifest cannot be read: {reason}",
    "manifest.schema1_base": (
        "the lowest layer of the manifest of schema 1 has a parent: {parent!q}; the image must be"
        " pushed again"
    ),
    "manifest.schema1_counts": (
        "the manifest of schema 1 lists {layers:layer} and {history:entry} of history; the"
        " image must be pushed again"
    ),
    "manifest.schema1_empty": "the manifest of schema 1 lists no layer",
    "manifest.schema1_history": (
        "entry {index} of the history in the manifest of schema 1 cannot be read: {reason}"
    ),
    "manifest.schema1_id": (
        "the manifest of schema 1 calls a layer {id!q}, which is not 64 hex digits"
    ),
    "manifest.schema1_parent": (
        "in the manifest of schema 1 the parent of a layer is {got!q}, but the one below it is"
        " {want!q}; the image must be pushed again"
    ),
    "manifest.schema1_repeated": (
        "the manifest of schema 1 lists the layer {id!q} in two places; the image must be pushed"
        " again"
    ),
    "manifest.schema1_signatures": (
        "the signatures of the manifest of schema 1 cannot be used: {reason}"
    ),
    "manifest.schema_version": (
        "the manifest has the media type {media_type!q} and schema version {version}, which is"
        " neither Docker schema 2 nor OCI; push the image again with a current tool"
    ),
    "name.ambiguous": lambda facts: (
        f"the short name {quote(facts['name'])} could be {' or '.join(facts['candidates'])}, and"
        f' {facts["path"]} has short-name-mode = "enforcing", so none of them is guessed; give'
        f" the whole name, or put the one that you mean under [aliases] of registries.conf, such"
        f" as: {facts['line']}"
    ),
    "name.empty": "the image name is empty",
    "name.has_registry": "{parts.unnormalized} names a registry already",
    "name.identifier": (
        "{name!q} looks like an image ID, which no registry knows; give the image's name"
    ),
    "name.invalid": _invalid_name,
    "name.lacks_registry": "{parts.unnormalized} names no registry",
    "name.too_long": "the image name {name!q} is longer than {limit:character}",
    "name.uppercase": "the image name {name!q} must be in lower case",
    "name.uppercase_path": "the repository in {name!q} must be in lower case",
    "path.not_a_file": "{path!q} is neither a file nor a link to one; write it to a file first",
    "path.unusable": _unusable,
    "platform.foreign_os": "the image is for {image_os}, which does not run on {host_os}",
    "platform.none": lambda facts: (
        f"the {facts['list_kind']} has no image for {facts['wanted']}; it has "
        + (_listed(facts["available"]) or "none at all")
        + " (choose one with --platform)"
    ),
    "pull.all_failed": _attempts,
    "pull.failed": _attempts,
    "pull.no_search_registries": _no_search_registries,
    "reference.archive_digest": "{text!q}: images in a docker-archive cannot be named by digest",
    "reference.tag_and_digest": (
        "a {transport} name cannot have both a tag and a digest; leave out the tag"
    ),
    "tarball.compression": (
        "{path!q} is compressed with {compression}, which no image layer can be; decompress it, or"
        " compress it with gzip or zstd"
    ),
    "tarball.not_a_layer": (
        "{path!q} cannot become a layer: {detail} (at byte {offset}); tarball: takes tar files,"
        " plain or compressed with gzip or zstd"
    ),
    "transport.atomic_parts": "atomic:{name} is not of the form atomic:host/namespace/stream:tag",
    "transport.atomic_untagged": ("{text!q} has no tag; write atomic:host/namespace/stream:tag"),
    "transport.daemon_algorithm": "{text!q}: a docker-daemon image ID is a sha256 digest",
    "transport.daemon_reserved": (
        "{text!q}: sha256 is reserved for whole image IDs, written sha256:<64 hex digits>"
    ),
    "transport.daemon_untagged": "docker-daemon:{name} needs a tag or a digest",
    "transport.docker_archive_empty": "docker-archive: needs a path, such as docker-archive:x.tar",
    "transport.docker_archive_index": (
        "docker-archive: after the @ of {text!q} there is no number of an image, such as 0"
    ),
    "transport.docker_slashes": "docker:{text} lacks two slashes; write docker://{text}",
    "transport.missing": "{text!q} has no transport; write transport:reference",
    "transport.oci_image": "{image!q} is not a valid image name inside an OCI layout",
    "transport.store_driver": "{driver!q} is no storage driver; overlay and vfs are the usual ones",
    "transport.store_empty": "containers-storage: needs a name or an ID",
    "transport.store_empty_reference": "a stored image needs a name",
    "transport.store_id": "{text!q} is neither an image ID nor a digest",
    "transport.store_reference": "the store in [{text}] is not of the form [driver@root+runroot]",
    "transport.store_relative": "the store in [{text}] needs absolute paths",
    "transport.store_trailing_at": "{text!q} ends in @, where an ID or a digest is missing",
    "transport.store_unclosed": "{text!q} opens [ and does not close it",
    "transport.unknown": "{text!q} has the unknown transport {transport!q}",
    "unsupported.atomic": (
        "towline does not read atomic: references; pull {within} from the registry of the cluster"
        " as docker://"
    ),
    "unsupported.containers_storage": (
        "towline does not read from containers-storage: yet; write the image to an archive with"
        " skopeo copy containers-storage:NAME docker-archive:FILE and pull docker-archive:FILE"
    ),
    "unsupported.docker_daemon": (
        "towline does not talk to a Docker daemon; write the image to a file with docker save"
        " --output FILE {within} and pull docker-archive:FILE"
    ),
    "unsupported.ostree": (
        "towline does not read ostree: repositories; export the image with skopeo to an oci-"
        "archive: and pull that"
    ),
    "unsupported.transport": (
        "towline does not read {transport}: references; write the image to an archive with skopeo"
        " copy {transport}:... docker-archive:FILE and pull docker-archive:FILE"
    ),
    "verify.config": (
        "the config from {origin} has the digest {got}, and the manifest names {want}"
    ),
    "verify.destination": "the image has the digest {got}, and {want} was asked for",
    "verify.diff_id": "layer {layer} decompresses to {got}, and the config says {want}",
    "verify.digest": (
        "the bytes received are not those asked for: wanted {want}, got {got} ({size:byte});"
        " nothing of them is kept"
    ),
    "verify.manifest": (
        "the manifest from {origin} has the digest {got}, and {want} was asked for"
    ),
    "verify.size": "the blob has {got:byte} where its manifest says {want}; nothing of it is kept",
}

ERRORS: Mapping[str, Template] = {**_OWN, **CONFIGURATION, **REGISTRY, **STORE}

STEPS: Mapping[str, Template] = {
    "applying-layer": "layer {digest}: ",
    "asking-mirrors": _after_mirrors,
    "checking-blob": "",
    "choosing-instance": "",
    "completing-name": "",
    "deciding-goal": "",
    "deciding-short-name": "",
    "detecting-compression": "",
    "fetching-manifest": "",
    "finding-credentials": "",
    "getting-config-info": "the config that the manifest names: ",
    "hashing-unnamed": "",
    "loading-component": "",
    "loading-layout-name": "",
    "loading-registries": "",
    "normalizing-name": "",
    "opening-archive": "",
    "opening-image": "",
    "opening-source": "",
    "opening-store": "the store {path!q} cannot be used (--root names another): ",
    "opening-tarball": "",
    "parsing-archive-name": "",
    "parsing-atomic": "",
    "parsing-config": "reading the image's config: ",
    "parsing-destination": "the destination {name!q}: ",
    "parsing-policy": "the signature policy {path} cannot be used: ",
    "parsing-source": "",
    "parsing-stored-name": "",
    "pinging": "",
    "publishing": "storing the image: ",
    "reading-auth-file": "",
    "reading-blob": "",
    "reading-descriptor": "",
    "reading-manifest": "",
    "reading-policy": "",
    "reading-registries-conf": "",
    "rejected": "",
    "retrieving-manifest": "",
    "writing-blob": "",
}

TEXTS: Mapping[str, Template] = {
    "copying-blob": "Copying blob {digest}\n",
    "copying-config": "Copying config {digest}\n",
    "failed": "Failed\n",
    "log-pull-failed": "cannot pull {within}: {error}",
    "signatures": "Getting image source signatures\n",
    "storing-signatures": "Storing signatures\n",
    "trying": "Trying to pull {image}...\n",
    "writing-manifest": "Writing manifest to image destination\n",
}
