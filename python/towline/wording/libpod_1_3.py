"""Error sentences of podman v1.3.2: tables over those of the edition ``current``.

The sentences are recorded: scripts match on them, the vectors compare them, and they must not
change.  Steps are prefixes; a step that the original does not mention is not listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.go.go_quote import quote
from towline.wording import current
from towline.wording.counting import counted
from towline.wording.libpod_1_3_configuration import CONFIGURATION
from towline.wording.libpod_1_3_registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["ERRORS", "STEPS", "TEXTS"]


def _several(facts: Mapping[str, Any]) -> str:
    errors = facts["errors"]
    lines = "".join(f"\t* {error}\n" for error in errors)
    return f"{counted(len(errors), 'error')} occurred:\n{lines}\n"


def _checking(facts: Mapping[str, Any]) -> str:
    # TEXT-007: the original checks a blob at the place where it reads the blob to its end
    if facts["code"] == "verify.size":
        return str(facts["error"])
    if facts["transport"] == "dir":
        return f'error storing blob to file "temporary": {facts["error"]}'
    return f"error setting up to decompress blob: {facts['error']}"


def _after_mirrors(facts: Mapping[str, Any]) -> str:
    mirrors = zip(facts["locations"], facts["errors"], strict=True)
    failed = "\n".join(f"{location}: {error}" for location, error in mirrors)
    return f"(Mirrors also failed: [{failed}]): {facts['error']}"


# The areas without a module of their own: configuration and registries have one.
_OWN: Mapping[str, Template] = {
    "archive.compression": lambda facts: (
        f"Error auto-decompressing input: Error detecting compression: {facts['detail']}"
        if facts["format"] == "bzip2"
        else f"Error detecting compression for file {quote(facts['path'])}: Error initializing"
        f" decompression: {facts['detail']}"
    ),
    "archive.config_not_json": "Error decoding tar config {member}: {reason}",
    "archive.damaged": "{detail} (at byte {offset})",
    "archive.item_count": "Unexpected tar manifest.json: expected 1 item, got {count}",
    "archive.layer_count": (
        "Inconsistent layer count: {in_manifest} in manifest, {in_config} in config"
    ),
    "archive.layer_used_twice": "Layer tarfile {member} used for two different DiffID values",
    "archive.layers_missing": "Some layer tarfiles are missing in the tarball",
    "archive.link_loop": "Error reading tar archive component {member}: not a regular file",
    "archive.manifest_not_json": "Error decoding tar manifest.json: {reason}",
    "archive.member_damaged": "Error reading {member}: {detail} (at byte {offset})",
    "archive.no_file": "open {path}/{member}: no such file or directory",
    "archive.no_images": "Unexpected tar manifest.json: expected 1 item, got 0",
    "archive.no_input": "read {path}: unexpected EOF",
    "archive.no_instance": "{path} has no manifest {instance}",
    "archive.no_member": "file does not exist",
    "archive.no_rootfs": "Error decoding tar config {member}: it has no rootfs",
    "archive.no_such_image": "{path} has no image {name}",
    "archive.no_such_index": "{path} has no image number {index}",
    "archive.not_regular": "Error reading tar archive component {member}: not a regular file",
    "archive.not_tar": "invalid tar header",
    "archive.unknown_layer": "Unknown blob {digest}",
    "archive.unnamed_layers": lambda facts: (
        "Some layer tarfiles are missing in the tarball"
        if facts["count"] == 1
        else "Layer tarfile  used for two different DiffID values"
    ),
    "archive.unreadable": "read {path}: {detail}",
    "cancelled.by_caller": "context canceled",
    "config.not_json": "{reason}",
    "core.file": "read {path}: {detail}",
    "core.layer": "{detail}",
    "digest.algorithm": "unsupported digest algorithm",
    "digest.format": "invalid checksum digest format",
    "digest.length": "invalid checksum digest length",
    "label.missing": "{image} has no label {label}",
    "layout.choose_image": "more than one image in oci, choose an image",
    "layout.index_not_json": "{reason}",
    "layout.no_such_image": "no descriptor found for reference {image!q}",
    "limit.archive": "{path}: {detail}",
    "limit.document": "exceeded maximum allowed size of {limit} bytes",
    "limit.unsized_blobs": "blob {digest} exceeds the maximum size of {limit} bytes",
    "manifest.ambiguous": "ambiguous manifest",
    "manifest.index_as_image": "ambiguous manifest",
    "manifest.nested": "manifest lists are nested too deeply",
    "manifest.not_json": "{reason}",
    "manifest.schema1_base": "Invalid parent ID in the base layer of the image.",
    "manifest.schema1_counts": "length of history not equal to number of layers",
    "manifest.schema1_empty": "no FSLayers in manifest",
    "manifest.schema1_history": "Error parsing v2s1 history entry {index}: {reason}",
    "manifest.schema1_id": "image ID {id!q} is invalid",
    "manifest.schema1_parent": "Invalid parent ID. Expected {want}, got {got}.",
    "manifest.schema1_repeated": "ID {id} appears multiple times in manifest",
    "manifest.schema1_signatures": "{reason}",
    "manifest.schema_version": "unsupported schema version {version}",
    "name.ambiguous": "short-name resolution enforced but cannot prompt without a TTY",
    "name.empty": "repository name must have at least one component",
    "name.has_registry": (
        "internal error: referenceWithRegistry called on imageParts with a registry ({parts})"
    ),
    "name.identifier": (
        "invalid repository name ({name}), cannot specify 64-byte hexadecimal strings"
    ),
    "name.invalid": "invalid reference format",
    "name.lacks_registry": (
        "internal error: normalizedReference called on imageParts without a registry ({parts})"
    ),
    "name.too_long": "repository name must not be more than {limit} characters",
    "name.uppercase": "repository name must be lowercase",
    "name.uppercase_path": "invalid reference format: repository name must be lowercase",
    "path.not_a_file": "read {path}: not a regular file",
    "path.unusable": "{operation} {path}: {errno!e}",
    "platform.foreign_os": "image operating system {image_os!q} cannot be used on {host_os!q}",
    "platform.none": (
        "no image found in manifest list for architecture {wanted.architecture}, OS {wanted.os}"
    ),
    "platform.other": "image platform {got} does not match {wanted}",
    "platform.refused": "image platform {got} does not match the requested {wanted}",
    "pull.all_failed": _several,
    "pull.failed": "unable to pull image: {errors[0]}",
    "pull.no_search_registries": (
        "image name provided is a short name and no search registries are defined in the"
        " registries config file."
    ),
    "reference.archive_digest": "docker-archive doesn't support digest references: {text}",
    "reference.tag_and_digest": lambda facts: (
        {"docker": "Docker", "docker-daemon": "docker-daemon:", "atomic": "atomic:"}[
            facts["transport"]
        ]
        + " references with both a tag and digest are currently not supported"
    ),
    "store.ambiguous_id": "multiple image IDs begin with {id!q}",
    "store.blob_closed": (
        "cannot read the blob {path!q} of the store: {reason}; pull the image again, which fetches"
        " it anew, or make the file readable"
    ),
    "store.blob_unreadable": (
        "the layer {digest} cannot be decompressed: {detail} ({code} at byte {offset})"
    ),
    "store.busy": lambda facts: (
        f"the store {facts['path']} is in use by "
        + (", ".join(map(str, facts["holders"])) or "another process")
        + "; try again when that is done"
    ),
    "store.id_in_use": "that ID is already in use",
    "store.incomplete": "the image {id} cannot be stored: its blob {digest} is missing",
    "store.index_damaged": (
        "{path!q} cannot be read: {reason}; the next pull into the store makes it anew"
    ),
    "store.index_differs": (
        "{path!q} does not show {name} as the store has it; the next pull into the store"
        " makes it anew"
    ),
    "store.index_unreadable": "{path!q} cannot be read: {reason}",
    "store.invalid_id": "{id!q} is not a whole image ID",
    "store.lookup_wrong": "the store does not find {key!q}, which is {id}; pull it again",
    "store.missing": "there is no store in {path!q}",
    "store.newer": (
        "the store {path!q} has the version {version}; this towline knows version {known}"
    ),
    "store.no_space": (
        "the image needs {needed} bytes and {path!q} has {free} bytes free; free some space,"
        " then pull again: what was downloaded is kept"
    ),
    "store.not_a_folder": (
        "{path!q} belongs to the store and is not a folder of it, but a file or a link"
    ),
    "store.record_undecided": (
        "the record {path!q} does not say which of several images its names are of"
    ),
    "store.record_unreadable": (
        "the record {path!q} cannot be read: {reason}; nothing was changed, try again"
    ),
    "store.unknown_image": "unable to find '{name}' in local storage: image not known",
    "store.write_failed": "{reason}",
    "tarball.compression": "{path}: {compression} compression is not supported",
    "tarball.not_a_layer": "error reading {path!q}: {detail}",
    "transport.atomic_parts": (
        "invalid image reference: {name}, expected format: 'hostname/namespace/stream:tag'"
    ),
    "transport.atomic_untagged": (
        "invalid image reference {text}, expected format: 'hostname/namespace/stream:tag'"
    ),
    "transport.daemon_algorithm": (
        "Invalid docker-daemon: reference {text}: only digest algorithm sha256 accepted"
    ),
    "transport.daemon_reserved": (
        "Invalid docker-daemon: reference {text}: The sha256 repository name is reserved for"
        " (non-shortened) digest references"
    ),
    "transport.daemon_untagged": ("docker-daemon: reference {name} has neither a tag nor a digest"),
    "transport.docker_archive_empty": (
        "docker-archive reference  isn't of the form <path>[:<reference>]"
    ),
    "transport.docker_archive_index": "Invalid source index in docker-archive:{text}",
    "transport.docker_slashes": "docker: image reference {text} does not start with //",
    "transport.missing": (
        'Invalid image name "{text}", expected colon-separated transport:reference'
    ),
    "transport.oci_image": "Invalid image {image}",
    "transport.store_driver": "driver not supported",
    "transport.store_empty": "containers-storage: reference is empty",
    "transport.store_empty_reference": '"" is an empty reference: invalid reference',
    "transport.store_id": "{text!q} does not look like an image ID or digest: invalid reference",
    "transport.store_reference": "invalid reference",
    "transport.store_relative": "path name is not absolute",
    "transport.store_trailing_at": "empty trailing digest or ID in {text!q}: invalid reference",
    "transport.store_unclosed": "store specifier in {text!q} did not end: invalid reference",
    "transport.unknown": 'Invalid image name "{text}", unknown transport "{transport}"',
    "unsupported.atomic": 'The transport "atomic:" is not supported: {within}',
    "unsupported.containers_storage": (
        "reference {within!q} does not resolve to an image ID: towline does not read from"
        " containers-storage"
    ),
    "unsupported.docker_daemon": 'The transport "docker-daemon:" is not supported: {within}',
    "unsupported.ostree": 'The transport "ostree:" is not supported in this build',
    "unsupported.transport": 'The transport "{transport}:" is not supported: {within}',
    "verify.config": "Download config.json digest {got} does not match expected {want}",
    "verify.destination": "Digest of source image's manifest would not match destination reference",
    "verify.diff_id": "layer {layer}: expected DiffID {want}, got {got}",
    "verify.diff_id_count": "expected {layers:DiffID}, got {diff_ids}",
    "verify.digest": "Digest did not match, expected {want}, got {got}",
    "verify.manifest": "Manifest does not match provided manifest digest {want}",
    "verify.no_diff_ids": "the config has no list of valid DiffIDs",
    "verify.size": "blob size mismatch",
}

# Only sentences that the original does not have are inherited.  They are listed in
# tests/architecture/test_errors.py, which fails for any other code without a sentence here.
ERRORS: Mapping[str, Template] = {**current.ERRORS, **_OWN, **CONFIGURATION, **REGISTRY}

# No prefix is inherited: `current` and the original word every step differently.
STEPS: Mapping[str, Template] = {
    "applying-layer": 'error adding layer with blob "{digest}": ',
    "asking-mirrors": _after_mirrors,
    "checking-blob": _checking,
    "choosing-instance": "Error choosing an image from manifest list {source}: ",
    "completing-name": "error normalizing registry+unqualified reference {name!q}: ",
    "deciding-goal": "error determining pull goal for image {name!q}: ",
    "deciding-short-name": "error getting default registries to try: ",
    "detecting-compression": (
        "Error detecting compression for file {path!q}: Error detecting compression: "
    ),
    "fetching-manifest": "Error reading manifest {reference} in {repository}: ",
    "finding-credentials": "error getting username and password: ",
    "getting-config-info": "error getting config info: ",
    "hashing-unnamed": "error getting image digest; image reference not found: ",
    "loading-component": "Error loading tar component {member}: ",
    "loading-layout-name": "error loading manifest for {source!q}: ",
    "loading-registries": "error loading registries: ",
    "normalizing-name": "error normalizing qualified reference {name!q}: ",
    "opening-archive": "error opening file {path!q}: ",
    "opening-image": "Error initializing image from source {source}: ",
    "opening-source": "Error initializing source {source}: ",
    "opening-tarball": "error opening {path!q}: ",
    "parsing-archive-name": "docker-archive parsing reference: ",
    "parsing-atomic": "failed to parse image reference {text!q}: ",
    "parsing-config": "Error parsing image configuration: ",
    "parsing-destination": "error parsing dest reference name {name!q}: ",
    "parsing-policy": "invalid policy in {path!q}: ",
    "parsing-source": "unable to parse '{name}': ",
    "parsing-stored-name": "error parsing named reference {name!q}: ",
    "pinging": "pinging docker registry returned: ",
    "publishing": "Error committing the finished image: ",
    "reading-auth-file": "error reading JSON file {path!q}: ",
    "reading-blob": "Error reading blob {digest}: ",
    "reading-descriptor": "unexpected digest reference {digest}: ",
    "reading-manifest": "Error determining manifest MIME type for {source}: ",
    "reading-registries-conf": "unable to parse the registries.conf file: ",
    "rejected": "Source image rejected: ",
    "retrieving-manifest": "error retrieving manifest.json: ",
    "writing-blob": "Error writing blob: ",
}

# The inherited lines of progress are those of the original.
TEXTS: Mapping[str, Template] = {
    **current.TEXTS,
    "log-pull-failed": "Error pulling image ref {within}: {error}",
    "trying": "Trying to pull {image}...",
}
