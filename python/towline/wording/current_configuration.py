"""Error sentences of the edition ``current`` about configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.go.go_quote import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["CONFIGURATION"]


CONFIGURATION: Mapping[str, Template] = {
    "auth.helper_failed": (
        "the credential helper {helper} for {server} (from {path}) failed with status {status}; run"
        " it to see why, or log in without it"
    ),
    "auth.helper_missing": (
        "the credential helper {helper} for {server} (from {path}) is not an executable"
        " program in the PATH; install it, or remove it from the file and log in again"
    ),
    "auth.helper_output": (
        "the credential helper {helper} for {server} (from {path}) printed invalid output; it is"
        " not shown because it may contain the secret"
    ),
    "auth.helper_slow": (
        "the credential helper {helper} for {server} (from {path}) did not finish within"
        " {seconds:.0f} seconds and was stopped; it may be waiting for a keychain to be unlocked"
    ),
    "auth.not_base64": (
        "the entry for {key!q} in the auth file {path!q} is not valid base64; log in to the"
        " registry again"
    ),
    "auth.not_json": (
        "cannot read the auth file {path!q}: {reason}; repair or delete it, and log in again"
    ),
    "certs.lacks_certificate": (
        "the key {path!q} has no client certificate: {certificate} is missing"
    ),
    "certs.lacks_key": (
        "the client certificate {path!q} has no key: {key} is missing (the name of a CA certificate"
        " ends in .crt)"
    ),
    "certs.unusable": "cannot use the certificate or key {path!q}: {reason}",
    "option.no_home": "the home directory is unknown; set HOME or TOWLINE_ROOT, or choose a root",
    "option.no_path": "the option {option} is an empty text; give a path, or leave the option out",
    "option.platform": (
        "{text!q} is not a platform; write OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64"
    ),
    "option.rules": "{text!q} is no edition of the rules; there are current and libpod-1.3",
    "policy.cannot_judge": (
        "the signature policy {origin} requires {requirement} (scope {scope!q}), which towline"
        " cannot verify yet, so {image} is refused"
    ),
    "policy.no_requirements": (
        "the signature policy {origin} has no requirements for {image}, so it is refused"
    ),
    "policy.rejected": "{image} is rejected by the signature policy {origin} (scope {scope!q})",
    "policy.signature_required": (
        "the signature policy {origin} requires a signature of {image} (scope {scope!q}), but"
        " there is none that towline can verify"
    ),
    "policy.signed_base_layer": (
        "the signature policy {origin} requires signedBaseLayer (scope {scope!q}), which no tool"
        " implements; {image} is refused"
    ),
    "policy_json.authority_incomplete": lambda facts: (
        f"{facts['place']}: {facts['key']} needs " + " or ".join(facts["lacks"])
    ),
    "policy_json.duplicate_key": "{place}: the key {key!q} occurs twice",
    "policy_json.empty_key": "{place} is empty",
    "policy_json.empty_list": (
        "{place}: the list of requirements is empty; an image needs at least one, such as reject"
    ),
    "policy_json.key_type": "{place}: {key_type!q} is not a valid keyType; use GPGKeys",
    "policy_json.keys_twice": "{place}: only one of {keys[0]} and {keys[1]} can be given",
    "policy_json.missing_key": "{place}: the key {key!q} is missing",
    "policy_json.no_default": '{place} has no "default" requirements',
    "policy_json.no_key": "{place}: a key is missing, either as a path or as data",
    "policy_json.no_key_type": "{place}: the keyType is missing; use GPGKeys",
    "policy_json.not_base64": "{place} is not valid base64 (at byte {offset})",
    "policy_json.not_json": "it is not valid JSON: {reason}",
    "policy_json.not_object": "{place}: must be an object, not {got}",
    "policy_json.prefix": "{place}: {prefix!q} is not the beginning of an image name",
    "policy_json.reference": "{place}: {reason}",
    "policy_json.reference_untagged": "{place}: {name!q} needs a tag or a digest",
    "policy_json.unknown_identity": lambda facts: (
        f"{facts['place']}: {quote(facts['type'])} is not a type of signedIdentity; the types are "
        + ", ".join(facts["known"])
    ),
    "policy_json.unknown_key": "{place}: the key {key!q} is unknown here",
    "policy_json.unknown_requirement": lambda facts: (
        f"{facts['place']}: {quote(facts['type'])} is not a type of requirement; the types are "
        + ", ".join(facts["known"])
    ),
    "policy_json.wrong_type": "{place}: must be {wanted}, not {got}",
    "proxy.invalid": (
        "the proxy in the variable {variable} cannot be used: {reason}; write it as"
        " http://USER:PASSWORD@HOST:PORT"
    ),
    "proxy.scheme": (
        "the proxy in the variable {variable} has the scheme {scheme!q}; use http, https, socks5 or"
        " socks5h"
    ),
    "proxy.socks": (
        "the proxy in the variable {variable} has the scheme {scheme!q}, which needs the package"
        " PySocks; install it with pip install towline[socks]"
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
        "{where}: {location!q} occurs more than once, with different values of {setting!q}"
    ),
    "registries_conf.empty_url": "{where}: a registry has an empty url",
    "registries_conf.mirror_location": "{where}: a mirror of {prefix!q} has no location",
    "registries_conf.misplaced": (
        "{where}: {key} is in the table {table} and has no effect; move it above the first table"
    ),
    "registries_conf.mixed": (
        "{where}: [registries] is the old format and cannot be combined with the new one"
    ),
    "registries_conf.no_location": lambda facts: (
        f"{facts['where']}: a registry has neither a location nor a prefix"
        + ("; the key url of 2019 is now location" if facts["old_url"] else "")
    ),
    "registries_conf.not_toml": "{path} is not valid TOML: {reason}",
    "registries_conf.old_drop_in": (
        "{where}: a drop-in file cannot have the old format with [registries]"
    ),
    "registries_conf.prefix_alone": (
        "{where}: the prefix {prefix!q} has no location, which is optional only for prefixes such"
        " as *.example.com"
    ),
    "registries_conf.pull_from": (
        "{where}: pull-from-mirror of {mirror!q} is {value!q}; it must be all, digest-only or"
        " tag-only"
    ),
    "registries_conf.pull_from_on_registry": (
        "{where}: pull-from-mirror is a setting of a mirror, but {prefix!q} is a registry"
    ),
    "registries_conf.pull_from_twice": (
        "{where}: {prefix!q} has mirror-by-digest-only, so its mirror {mirror!q} cannot have"
        " pull-from-mirror"
    ),
    "registries_conf.scheme": (
        "{where}: {location!q} must be a host name without http:// or https://"
    ),
    "registries_conf.search_entry": (
        "{where}: {entry!q} in unqualified-search-registries is not a host name with an optional"
        " port"
    ),
    "registries_conf.short_name_mode": (
        "{where}: the short-name-mode {mode!q} is unknown; it must be enforcing, permissive or"
        " disabled"
    ),
    "registries_conf.wildcard": "{where}: the prefix {prefix!q} must be of the form *.example.com",
    "registries_conf.wrong_type": "{where}: {key} must be {wanted}, not {got}",
}
