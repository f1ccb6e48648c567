"""Error sentences of the edition ``current``: what failed and where, then the remedy.

Untrusted text is quoted, so that a terminal does not interpret it.  Steps are prefixes, outermost
first; a step that adds no information is not listed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from towline.go.go_quote import quote
from towline.wording.counting import listed
from towline.wording.current_archives import ARCHIVES
from towline.wording.current_configuration import CONFIGURATION
from towline.wording.current_registry import REGISTRY
from towline.wording.current_store import STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["ERRORS", "STEPS", "TEXTS"]

_OPERATIONS = {"mkdir": "create the directory", "open": "open", "read": "read", "write": "write"}


_KINDS = {
    "dir": "a folder of blobs with manifest.json",
    "docker-archive": "a docker-archive",
    "oci": "an OCI layout",
    "oci-archive": "an archive of an OCI layout",
}


def _attempts(facts: Mapping[str, Any]) -> str:
    pairs = list(zip(facts["images"], facts["errors"], strict=True))
    if len(pairs) == 1:
        return f"cannot pull {pairs[0][0]}: {pairs[0][1]}"
    lines = "".join(f"\n  {image}: {error}" for image, error in pairs)
    return f"cannot pull {facts['name']}: none of {len(pairs)} candidates could be pulled{lines}"


def _after_mirrors(facts: Mapping[str, Any]) -> str:
    """The registry's own error first, since it is the most relevant; then the mirrors' errors."""
    mirrors = zip(facts["locations"], facts["errors"], strict=True)
    return (
        f"{facts['error']} (its mirrors failed too: "
        + "; ".join(f"{location}: {error}" for location, error in mirrors)
        + ")"
    )


def _invalid_name(facts: Mapping[str, Any]) -> str:
    name = facts["name"]
    scheme, found, _ = name.partition("://")
    if found and scheme in ("http", "https"):
        return f"{quote(name)} is a URL, not an image name; leave out {scheme}://"
    if name.startswith(("/", "./", "../", "~")):
        hint = "; a path needs a transport prefix, such as oci:, dir: or docker-archive:"
    else:
        from towline.wording.invalid_name import broken_rule

        rule = broken_rule(name)
        hint = f": {rule}" if rule else ""
    return f"{quote(name)} is not a valid image name{hint}"


def _no_search_registries(facts: Mapping[str, Any]) -> str:
    name, transport = facts["name"], facts.get("transport")
    if transport:
        return (
            f"{quote(name)} is not a valid {transport}: reference, and there is no search registry"
            f" for it as a short name; check the part after {transport}:"
        )
    sentence = (
        f"{quote(name)} is a short name and registries.conf has no unqualified-search-registries;"
        " give the full name, such as docker.io/"
    ) + (name if "/" in name else f"library/{name}")
    if name.endswith((".tar", ".tgz", ".gz", ".xz", ".zst", ".bz2")):
        sentence += ", or a transport for a file, such as docker-archive:FILE or oci-archive:FILE"
    return sentence


def _unusable(facts: Mapping[str, Any]) -> str:
    operation = _OPERATIONS.get(facts["operation"], "use the path")
    return f"cannot {operation} {quote(facts['path'])}: {os.strerror(facts['errno']).lower()}"


# The areas without a module of their own.
_OWN: Mapping[str, Template] = {
    "cancelled.by_caller": "cancelled",
    "config.artifact": (
        "this is an artifact of the type {media_type!q} and not an image, so it has no image config"
    ),
    "config.not_json": "cannot read the image config: {reason}",
    "core.file": "cannot read {path!q}: {detail} (at byte {offset})",
    "core.layer": "cannot unpack the layer: {detail} (at byte {offset})",
    "digest.algorithm": (
        "the digest {digest!q} has an unknown algorithm; sha256, sha384 and sha512 are supported"
    ),
    "digest.format": "the digest {digest!q} is not of the form algorithm:hex in lower case",
    "digest.length": "the digest {digest!q} does not have the length of its algorithm",
    "label.missing": "{image} has no label {label!q}",
    "limit.archive": "the archive {path!q} exceeds a limit: {detail}",
    "limit.document": ("the {what} from {origin} is longer than {limit:byte}, the maximum size"),
    "limit.unsized_blobs": (
        "the manifest has no size for the layer {digest}, and the layers without a size exceed"
        " {limit:byte} in total; the data was removed, so push the image again with sizes"
    ),
    "manifest.ambiguous": (
        "the manifest is ambiguous: it also has the field {fields[0]} of another format, so other"
        " tools may read a different image from it"
    ),
    "manifest.index_as_image": (
        "the manifest has the media type {media_type!q} of an image, but it is an image index; push"
        " the image again with the media type of an index"
    ),
    "manifest.nested": "image indexes are nested more than {limit} levels deep",
    "manifest.not_json": "cannot read the manifest: {reason}",
    "manifest.schema1_base": (
        "the lowest layer of the schema 1 manifest has the parent {parent!q}; push the image again"
    ),
    "manifest.schema1_counts": (
        "the schema 1 manifest lists {layers:layer} and {history:entry} of history; push the image"
        " again"
    ),
    "manifest.schema1_empty": "the schema 1 manifest lists no layer",
    "manifest.schema1_history": (
        "cannot read entry {index} of the history in the schema 1 manifest: {reason}"
    ),
    "manifest.schema1_id": (
        "the schema 1 manifest has the layer ID {id!q}, which is not 64 hex digits"
    ),
    "manifest.schema1_parent": (
        "the schema 1 manifest gives a layer the parent {got!q}, but the layer below it is"
        " {want!q}; push the image again"
    ),
    "manifest.schema1_repeated": (
        "the schema 1 manifest lists the layer {id!q} twice; push the image again"
    ),
    "manifest.schema1_signatures": ("cannot use the signatures of the schema 1 manifest: {reason}"),
    "manifest.schema_version": (
        "the manifest has the media type {media_type!q} and schema version {version}, which is"
        " neither Docker schema 2 nor OCI; push the image again with a current tool"
    ),
    "name.ambiguous": lambda facts: (
        f"the short name {quote(facts['name'])} could be {' or '.join(facts['candidates'])}, and"
        f' {facts["path"]} has short-name-mode = "enforcing"; use the full name, or add an alias'
        f" under [aliases] of registries.conf, such as: {facts['line']}"
    ),
    "name.empty": "the image name is empty",
    "name.has_registry": "{parts.unnormalized} already has a registry",
    "name.identifier": (
        "{name!q} looks like an image ID, and a registry has no image IDs; use the image's name"
    ),
    "name.invalid": _invalid_name,
    "name.lacks_registry": "{parts.unnormalized} has no registry",
    "name.too_long": "the image name {name!q} is longer than {limit:character}",
    "name.uppercase": "the image name {name!q} must be in lower case",
    "name.uppercase_path": "the repository in {name!q} must be in lower case",
    "path.not_a_file": (
        "{path!q} is neither a regular file nor a link to one; write it to a file first"
    ),
    "path.unusable": _unusable,
    "platform.foreign_os": "the image is for {image_os}, which does not run on {host_os}",
    "platform.none": lambda facts: (
        f"the {facts['list_kind']} has no image for {facts['wanted']}; it has "
        + (listed(facts["available"]) or "no images")
        + ("; select one of these platforms" if facts["available"] else "")
    ),
    "platform.other": "the image is for {got}, and not for {wanted}",
    "platform.refused": (
        "the image is only for {got}, and not for {wanted}; set the option allow-other-platform to"
        " pull it anyway"
    ),
    "pull.all_failed": _attempts,
    "pull.failed": _attempts,
    "pull.no_search_registries": _no_search_registries,
    "reference.archive_digest": "{text!q}: images in a docker-archive cannot be named by digest",
    "reference.tag_and_digest": (
        "a {transport} name cannot have both a tag and a digest; leave out the tag"
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
        "docker-archive: the @ in {text!q} must be followed by the number of an image, such as 0"
    ),
    "transport.docker_slashes": "docker:{text} lacks two slashes; write docker://{text}",
    "transport.missing": "{text!q} has no transport; write transport:reference",
    "transport.oci_image": "{image!q} is not a valid image name inside an OCI layout",
    "transport.oci_index": (
        "the @ in {image!q} must be followed by the number of an image in the OCI layout, such as 0"
    ),
    "transport.store_driver": (
        "{driver!q} is not a storage driver; the usual ones are overlay and vfs"
    ),
    "transport.store_empty": "containers-storage: needs a name or an ID",
    "transport.store_empty_reference": "a stored image needs a name",
    "transport.store_id": "{text!q} is neither an image ID nor a digest",
    "transport.store_reference": "the store in [{text}] is not of the form [driver@root+runroot]",
    "transport.store_relative": "the store in [{text}] needs absolute paths",
    "transport.store_trailing_at": "{text!q} has no ID or digest after the @",
    "transport.store_unclosed": "{text!q} has a [ without a closing ]",
    "transport.unknown": "{text!q} has the unknown transport {transport!q}",
    "unsupported.atomic": (
        "towline does not support atomic: references; pull {within} from the registry of the"
        " cluster as docker://"
    ),
    "unsupported.containers_storage": (
        "towline does not support containers-storage: sources yet; write the image to an archive"
        " with skopeo copy containers-storage:NAME docker-archive:FILE and pull docker-archive:FILE"
    ),
    "unsupported.docker_daemon": (
        "towline does not support docker-daemon: sources; write the image to a file with docker"
        " save --output FILE {within} and pull docker-archive:FILE"
    ),
    "unsupported.ostree": (
        "towline does not support ostree: repositories; export the image with skopeo to an"
        " oci-archive: and pull that"
    ),
    "unsupported.transport": (
        "towline does not support {transport}: references; write the image to an archive with"
        " skopeo copy {transport}:... docker-archive:FILE and pull docker-archive:FILE"
    ),
    "verify.config": (
        "the config from {origin} has the digest {got}, but the manifest lists {want}"
    ),
    "verify.destination": "the image has the digest {got}, but {want} was requested",
    "verify.diff_id": lambda facts: (
        (f"{facts['image']}: layer {facts['layer']}" if "image" in facts else "it")
        + f" decompresses to {facts['got']}, but the config lists"
        f" {facts['want']}; the layers are not those of the config"
    ),
    "verify.diff_id_count": (
        "the config lists {diff_ids:diff ID} and the manifest {layers:layer}, so the layers cannot"
        " be compared with the config; pull without the option verify-diff-ids to store the image"
    ),
    "verify.digest": (
        "the received data does not have the requested digest: wanted {want}, got {got}"
        " ({size:byte}); it was discarded"
    ),
    "verify.manifest": (
        "the manifest from {origin} has the digest {got}, but {want} was requested"
    ),
    "verify.no_diff_ids": (
        "the config has no list of valid diff IDs, so the layers cannot be compared with it; pull"
        " without the option verify-diff-ids to store the image"
    ),
    "verify.other_size": (
        "the {what} {digest} has {got:byte}, but {want} are listed for it; its digest is right, so"
        " it is used"
    ),
    "verify.size": (
        "the blob has {got:byte}, far more than the {want} that its manifest lists; create the"
        " image again with the right size"
    ),
}

ERRORS: Mapping[str, Template] = {**_OWN, **ARCHIVES, **CONFIGURATION, **REGISTRY, **STORE}

STEPS: Mapping[str, Template] = {
    "applying-layer": "layer {digest}: ",
    "asking-mirrors": _after_mirrors,
    "getting-config-info": "the config of the manifest: ",
    "opening-store": "cannot use the store {path!q} (choose another root): ",
    "other-kind": lambda facts: (
        f"{quote(facts['path'])} is {_KINDS[facts['transport']]}, which {facts['given']}: does not"
        f" read; use {facts['transport']}:{facts['path']}"
    ),
    "parsing-config": "reading the image config: ",
    "parsing-destination": "the destination {name!q}: ",
    "parsing-policy": "cannot use the signature policy {path}: ",
    "publishing": "storing the image: ",
    "pulling": "{image}: ",
    "skipping-auth-file": "an auth file is not used: ",
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
