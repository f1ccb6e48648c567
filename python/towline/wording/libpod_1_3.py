"""Sentences as podman v1.3.2 says them.

What a user of that version sees is a contract (scripts match on it), so these are facts of the
recordings, held by the vectors; they are not ours to improve.  Steps are prefixes; a step that the
original does not mention has an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ERRORS", "STEPS", "TEXTS"]

Template = str | Callable[[Mapping[str, Any]], str]


def _several(facts: Mapping[str, Any]) -> str:
    errors = facts["errors"]
    counted = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return f"{counted} occurred:\n" + "".join(f"\t* {error}\n" for error in errors) + "\n"


ERRORS: Mapping[str, Template] = {
    "auth.not_base64": "illegal base64 data at input byte {offset}",
    "auth.not_json": "error unmarshaling JSON at {path!q}: {reason}",
    "digest.algorithm": "unsupported digest algorithm",
    "digest.format": "invalid checksum digest format",
    "digest.length": "invalid checksum digest length",
    "label.missing": "{image} has no label {label}",
    "manifest.ambiguous": "ambiguous manifest",
    "manifest.not_json": "{reason}",
    "manifest.schema_version": "unsupported schema version {version}",
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
    "option.platform": "invalid platform {text!q}",
    "path.unusable": "{operation} {path}: {errno!e}",
    "platform.none": (
        "no image found in manifest list for architecture {wanted.architecture}, OS {wanted.os}"
    ),
    "policy.cannot_judge": "{requirement} cannot be verified",
    "policy.no_requirements": "List of verification policy requirements must not be empty",
    "policy.rejected": "Running image {image} is rejected by policy.",
    "policy.signature_required": "A signature was required, but no signature exists",
    "policy.signed_base_layer": "signedBaseLayer not implemented yet!",
    "policy_json.authority_incomplete": "{key} not specified",
    "policy_json.duplicate_key": 'Duplicate key "{key}"',
    "policy_json.empty_key": "a key is empty",
    "policy_json.empty_list": "List of verification policy requirements must not be empty",
    "policy_json.key_type": 'Unrecognized keyType value "{key_type}"',
    "policy_json.keys_twice": "{keys[0]} and {keys[1]} cannot be used simultaneously",
    "policy_json.missing_key": 'Key "{key}" missing in a JSON object',
    "policy_json.no_default": "Default policy is missing",
    "policy_json.no_key": "At least one of keyPath and keyData mus be specified",
    "policy_json.no_key_type": 'invalid keyType ""',
    "policy_json.not_json": "{reason}",
    "policy_json.not_object": "JSON object expected, got {token}",
    "policy_json.prefix": "prefix {prefix!q} is not valid",
    "policy_json.reference": 'Invalid format of {key} "{name}": {reason}',
    "policy_json.reference_untagged": 'dockerReference "{name}" contains neither a tag nor digest',
    "policy_json.unknown_identity": 'Unknown policy reference match type "{type}"',
    "policy_json.unknown_key": 'Unknown key "{key}"',
    "policy_json.unknown_requirement": 'Unknown policy requirement type "{type}"',
    "policy_json.wrong_type": "json: cannot use {got} as {wanted}",
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
    "registries_conf.alias": "invalid alias {key!q}",
    "registries_conf.conflict": (
        "registry '{location}' is defined multiple times with conflicting '{setting}' setting"
    ),
    "registries_conf.empty_url": "invalid URL: cannot be empty",
    "registries_conf.mirror_location": "invalid URL: cannot be empty",
    "registries_conf.mixed": "mixing sysregistry v1/v2 is not supported",
    "registries_conf.no_location": "invalid URL: cannot be empty",
    "registries_conf.not_toml": "{reason}",
    "registries_conf.old_drop_in": "registry must be in v2 format but is in v1",
    "registries_conf.prefix_alone": "invalid URL: cannot be empty",
    "registries_conf.pull_from": "unsupported pull-from-mirror value {value!q}",
    "registries_conf.pull_from_on_registry": "pull-from-mirror must not be set for a registry",
    "registries_conf.pull_from_twice": "pull-from-mirror and mirror-by-digest-only are both set",
    "registries_conf.scheme": "invalid URL '{location}': URI schemes are not supported",
    "registries_conf.search_entry": "invalid search registry {entry!q}",
    "registries_conf.short_name_mode": "invalid short-name mode: {mode!q}",
    "registries_conf.wildcard": "invalid wildcard prefix {prefix!q}",
    "registries_conf.wrong_type": "incompatible types: {key} is {got}, not {wanted}",
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
    "transport.daemon_untagged": (
        "docker-daemon: reference {name} has neither a tag nor a digest"
    ),
    "transport.dir_empty": "dir: reference has an empty path",
    "transport.docker_archive_empty": (
        "docker-archive reference  isn't of the form <path>[:<reference>]"
    ),
    "transport.docker_slashes": "docker: image reference {text} does not start with //",
    "transport.missing": (
        'Invalid image name "{text}", expected colon-separated transport:reference'
    ),
    "transport.oci_image": "Invalid image {image}",
    "transport.store_empty": "containers-storage: reference is empty",
    "transport.store_empty_reference": '"" is an empty reference: invalid reference',
    "transport.store_id": "{text!q} does not look like an image ID or digest: invalid reference",
    "transport.store_reference": "invalid reference",
    "transport.store_relative": "path name is not absolute",
    "transport.store_trailing_at": "empty trailing digest or ID in {text!q}: invalid reference",
    "transport.store_unclosed": "store specifier in {text!q} did not end: invalid reference",
    "transport.unknown": 'Invalid image name "{text}", unknown transport "{transport}"',
    "unsupported.credential_helper": "credential helper {helper!q} of {host} is not supported",
    "unsupported.ostree": 'The transport "ostree:" is not supported in this build',
}

STEPS: Mapping[str, Template] = {
    "choosing-instance": "Error choosing an image from manifest list {source}: ",
    "completing-name": "error normalizing registry+unqualified reference {name!q}: ",
    "deciding-goal": "error determining pull goal for image {name!q}: ",
    "deciding-short-name": "error getting default registries to try: ",
    "finding-credentials": "error getting username and password: ",
    "hashing-unnamed": "error getting image digest; image reference not found: ",
    "loading-layout-name": "error loading manifest for {source!q}: ",
    "loading-registries": "error loading registries: ",
    "normalizing-name": "error normalizing qualified reference {name!q}: ",
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
    "publishing": "Error committing the finished image: ",
    "reading-auth-file": "error reading JSON file {path!q}: ",
    "reading-blob": "Error reading blob {digest}: ",
    "reading-manifest": "Error determining manifest MIME type for {source}: ",
    "reading-policy": "",
    "reading-registries-conf": "unable to parse the registries.conf file: ",
    "rejected": "Source image rejected: ",
    "writing-blob": "Error writing blob: ",
}

TEXTS: Mapping[str, Template] = {
    "copying-blob": "Copying blob {digest}\n",
    "copying-config": "Copying config {digest}\n",
    "failed": "Failed\n",
    "log-pull-failed": "Error pulling image ref {within}: {error}",
    "signatures": "Getting image source signatures\n",
    "storing-signatures": "Storing signatures\n",
    "trying": "Trying to pull {image}...",
    "writing-manifest": "Writing manifest to image destination\n",
}
