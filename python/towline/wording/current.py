"""Sentences of today's edition: what was tried, where, why it failed, and what can be done.

Untrusted text is quoted, so that no terminal acts on it.  Steps are prefixes, outermost first; one
that would say nothing new to the reader is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from towline.wording.quoting import quote

__all__ = ["ERRORS", "STEPS", "TEXTS"]

Template = str | Callable[[Mapping[str, Any]], str]


def _attempts(facts: Mapping[str, Any]) -> str:
    pairs = list(zip(facts["images"], facts["errors"], strict=True))
    if len(pairs) == 1:
        return f"cannot pull {pairs[0][0]}: {pairs[0][1]}"
    lines = "".join(f"\n  {image}: {error}" for image, error in pairs)
    return f"cannot pull {facts['name']}: none of {len(pairs)} candidates could be pulled{lines}"


ERRORS: Mapping[str, Template] = {
    "auth.not_base64": (
        "the auth file {path!q}: the entry of {key!q} is not valid base64; log in to the registry"
        " again"
    ),
    "auth.not_json": "the auth file {path!q} cannot be read: {reason}; log in again, or repair it",
    "digest.algorithm": (
        "the digest {digest!q} has an unknown algorithm; sha256, sha384 and sha512 are known"
    ),
    "digest.format": "the digest {digest!q} is not of the form algorithm:hex in lower case",
    "digest.length": "the digest {digest!q} has not the length of its algorithm",
    "label.missing": "{image} has no label {label!q}",
    "manifest.ambiguous": (
        "the manifest is ambiguous: beside its own fields it has {fields[0]}, so other tools"
        " may read another image out of it"
    ),
    "manifest.not_json": "the manifest cannot be read: {reason}",
    "manifest.schema_version": (
        "the manifest has the media type {media_type!q} and schema version {version}, which is"
        " neither Docker schema 2 nor OCI; push the image again with a current tool"
    ),
    "name.empty": "the image name is empty",
    "name.has_registry": "{parts.unnormalized} names a registry already",
    "name.identifier": (
        "{name!q} looks like an image ID, which no registry knows; give the image's name"
    ),
    "name.invalid": "{name!q} is not a valid image name",
    "name.lacks_registry": "{parts.unnormalized} names no registry",
    "name.too_long": "the image name {name!q} is longer than {limit} characters",
    "name.uppercase": "the image name {name!q} must be in lower case",
    "name.uppercase_path": "the repository in {name!q} must be in lower case",
    "option.platform": "{text!q} is not a platform; write OS/ARCH or OS/ARCH/VARIANT",
    "path.unusable": "cannot use the path {path!q}: {errno!e}",
    "platform.none": lambda facts: (
        f"the {facts['list_kind']} has no image for {facts['wanted']}; it has "
        + (", ".join(map(str, facts["available"])) or "none at all")
        + " (choose one with --platform)"
    ),
    "policy.cannot_judge": (
        "the signature policy {origin} asks for {requirement} (scope {scope!q}), which towline"
        " cannot verify yet, so it refuses {image}"
    ),
    "policy.no_requirements": (
        "the signature policy {origin} asks for nothing at all for {image}, which refuses it"
    ),
    "policy.rejected": "{image} is rejected by the signature policy {origin} (scope {scope!q})",
    "policy.signature_required": (
        "the signature policy {origin} asks for a signature of {image} (scope {scope!q}), and"
        " there is none that towline can verify"
    ),
    "policy.signed_base_layer": (
        "the signature policy {origin} asks for signedBaseLayer (scope {scope!q}), which no tool"
        " implements; {image} is refused"
    ),
    "policy_json.authority_incomplete": "{place}: {key} needs one of {lacks}",
    "policy_json.duplicate_key": "{place}: the key {key!q} is there twice",
    "policy_json.empty_key": "{place} is empty",
    "policy_json.empty_list": (
        "{place}: the list of requirements is empty; an image needs at least one, such as reject"
    ),
    "policy_json.key_type": "{place}: {key_type!q} is no keyType; GPGKeys is the one in use",
    "policy_json.keys_twice": "{place}: only one of {keys[0]} and {keys[1]} can be given",
    "policy_json.missing_key": "{place}: the key {key!q} is missing",
    "policy_json.no_default": '{place} has no "default" requirements',
    "policy_json.no_key": "{place}: no key is given, neither as a path nor as data",
    "policy_json.no_key_type": "{place}: the keyType is missing; write GPGKeys",
    "policy_json.not_json": "it is not valid JSON: {reason}",
    "policy_json.not_object": "{place}: a JSON object is needed, not {token}",
    "policy_json.prefix": "{place}: {prefix!q} is not the beginning of an image name",
    "policy_json.reference": "{place}: {reason}",
    "policy_json.reference_untagged": "{place}: {name!q} needs a tag or a digest",
    "policy_json.unknown_identity": (
        "{place}: {type!q} is no type of a signedIdentity; known are {known}"
    ),
    "policy_json.unknown_key": "{place}: the key {key!q} is unknown here",
    "policy_json.unknown_requirement": (
        "{place}: {type!q} is no type of a requirement; known are {known}"
    ),
    "policy_json.wrong_type": "{place}: {wanted} is needed, not {got}",
    "pull.all_failed": _attempts,
    "pull.failed": _attempts,
    "pull.no_search_registries": (
        "{name!q} is a short name and registries.conf has no unqualified-search-registries; give"
        " the full name, such as docker.io/library/{name}"
    ),
    "reference.archive_digest": "{text!q}: images in a docker-archive cannot be named by digest",
    "reference.tag_and_digest": (
        "a {transport} name cannot have both a tag and a digest; leave out the tag"
    ),
    "registries_conf.alias": lambda facts: (
        f"{facts['where']}: in the alias {quote(facts['key'])}, {quote(facts['name'])} "
        + {
            "digest": "must not have a digest",
            "invalid": "is not a valid name",
            "registry": "must be a short name, without a registry",
            "tag": "must not have a tag",
            "unqualified": "must name a registry and a repository",
        }[facts["problem"]]
    ),
    "registries_conf.conflict": (
        "{where}: {location!q} is there more than once, with different values of {setting!q}"
    ),
    "registries_conf.empty_url": "{where}: a registry has an empty url",
    "registries_conf.mirror_location": "{where}: a mirror of {prefix!q} has no location",
    "registries_conf.mixed": (
        "{where}: [registries] is the old form of the file and cannot stand beside the new one"
    ),
    "registries_conf.no_location": lambda facts: (
        f"{facts['where']}: a registry has neither a location nor a prefix"
        + ("; url is the name of 2019 for what is now location" if facts["old_url"] else "")
    ),
    "registries_conf.not_toml": "{path} is not valid TOML: {reason}",
    "registries_conf.old_drop_in": (
        "{where}: a drop-in file cannot have the old form with [registries]"
    ),
    "registries_conf.prefix_alone": (
        "{where}: the prefix {prefix!q} has no location, which only prefixes such as"
        " *.example.com can do without"
    ),
    "registries_conf.pull_from": (
        "{where}: pull-from-mirror of {mirror!q} is {value!q}; it can be all, digest-only or tag-"
        "only"
    ),
    "registries_conf.pull_from_on_registry": (
        "{where}: pull-from-mirror belongs to a mirror, and {prefix!q} is a registry"
    ),
    "registries_conf.pull_from_twice": (
        "{where}: {prefix!q} has mirror-by-digest-only, so its mirror {mirror!q} cannot have"
        " pull-from-mirror"
    ),
    "registries_conf.scheme": (
        "{where}: {location!q} must be a host name without http:// or https://"
    ),
    "registries_conf.search_entry": (
        "{where}: {entry!q} among the unqualified-search-registries is not a host name, with or"
        " without a port"
    ),
    "registries_conf.short_name_mode": (
        "{where}: the short-name-mode {mode!q} is unknown; it can be enforcing, permissive or"
        " disabled"
    ),
    "registries_conf.wildcard": "{where}: the prefix {prefix!q} must be of the form *.example.com",
    "registries_conf.wrong_type": "{where}: {key} must be {wanted}, not {got}",
    "transport.atomic_parts": "atomic:{name} is not of the form atomic:host/namespace/stream:tag",
    "transport.atomic_untagged": (
        "{text!q} has no tag; write atomic:host/namespace/stream:tag"
    ),
    "transport.daemon_algorithm": "{text!q}: a docker-daemon image ID is a sha256 digest",
    "transport.daemon_reserved": (
        "{text!q}: sha256 is reserved for whole image IDs, written sha256:<64 hex digits>"
    ),
    "transport.daemon_untagged": "docker-daemon:{name} needs a tag or a digest",
    "transport.dir_empty": "dir: needs a path, such as dir:/path/to/image",
    "transport.docker_archive_empty": "docker-archive: needs a path, such as docker-archive:x.tar",
    "transport.docker_slashes": "docker:{text} lacks two slashes; write docker://{text}",
    "transport.missing": "{text!q} has no transport; write transport:reference",
    "transport.oci_image": "{image!q} is not a valid image name inside an OCI layout",
    "transport.store_empty": "containers-storage: needs a name or an ID",
    "transport.store_empty_reference": "a stored image needs a name",
    "transport.store_id": "{text!q} is neither an image ID nor a digest",
    "transport.store_reference": "the store in [{text}] is not of the form [driver@root+runroot]",
    "transport.store_relative": "the store in [{text}] needs absolute paths",
    "transport.store_trailing_at": "{text!q} ends in @, where an ID or a digest is missing",
    "transport.store_unclosed": "{text!q} opens [ and does not close it",
    "transport.unknown": "{text!q} has the unknown transport {transport!q}",
    "unsupported.credential_helper": (
        "{path} leaves the credentials of {host} to the helper {helper!q}, and towline does not"
        " run helpers yet; use --creds or --authfile"
    ),
    "unsupported.ostree": (
        "towline does not read ostree: repositories; export the image with skopeo to an oci-"
        "archive: and pull that"
    ),
}

STEPS: Mapping[str, Template] = {
    "choosing-instance": "",
    "completing-name": "",
    "deciding-goal": "",
    "deciding-short-name": "",
    "finding-credentials": "",
    "hashing-unnamed": "",
    "loading-layout-name": "",
    "loading-registries": "",
    "normalizing-name": "",
    "opening-image": "",
    "opening-source": "",
    "opening-tarball": "",
    "parsing-archive-name": "",
    "parsing-atomic": "",
    "parsing-config": "reading the image's config: ",
    "parsing-destination": "the destination {name!q}: ",
    "parsing-policy": "the signature policy {path} cannot be used: ",
    "parsing-source": "",
    "parsing-stored-name": "",
    "publishing": "storing the image: ",
    "reading-auth-file": "",
    "reading-blob": "",
    "reading-manifest": "reading the manifest of {source}: ",
    "reading-policy": "",
    "reading-registries-conf": "",
    "rejected": "",
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
