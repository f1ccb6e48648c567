"""Error sentences of podman v1.3.2 about configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["CONFIGURATION"]


def _token(facts: Mapping[str, Any]) -> str:
    match facts["token"]:
        case str(text):
            return text
        case None:
            return "%!s(<nil>)"
        case bool(truth):
            return f"%!s(bool={str(truth).lower()})"
        case number:
            return f"%!s(float64={number:g})"


CONFIGURATION: Mapping[str, Template] = {
    "auth.helper_failed": (
        "error getting credentials - err: exit status {status}, program: {helper}"
    ),
    "auth.helper_missing": 'exec: "{helper}": executable file not found in $PATH',
    "auth.helper_output": "error getting credentials: the answer of {helper} cannot be read",
    "auth.helper_slow": "error getting credentials - err: signal: killed, program: {helper}",
    "auth.not_base64": "illegal base64 data at input byte {offset}",
    "auth.not_json": "error unmarshaling JSON at {path!q}: {reason}",
    "certs.lacks_certificate": "missing client certificate {certificate} for key {path}",
    "certs.lacks_key": (
        "missing key {key} for client certificate {path}. Note that CA certificates should use the"
        " extension .crt"
    ),
    "certs.unusable": "{path}: {reason}",
    "option.no_home": "home directory not found",
    "option.no_path": "option {option} is empty",
    "option.platform": "invalid platform {text!q}",
    "option.rules": "unknown rules {text!q}",
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
    "policy_json.not_base64": "illegal base64 data at input byte {offset}",
    "policy_json.not_json": "{reason}",
    "policy_json.not_object": lambda facts: f'JSON object expected, got "{_token(facts)}"',
    "policy_json.prefix": "prefix {prefix!q} is not valid",
    "policy_json.reference": "Invalid format of {key} {name}: {reason}",
    "policy_json.reference_untagged": "dockerReference {name} contains neither a tag nor digest",
    "policy_json.unknown_identity": 'Unknown policy reference match type "{type}"',
    "policy_json.unknown_key": 'Unknown key "{key}"',
    "policy_json.unknown_requirement": 'Unknown policy requirement type "{type}"',
    "policy_json.wrong_type": "json: cannot use {got} as {wanted}",
    "proxy.invalid": "invalid proxy address in {variable}: {reason}",
    "proxy.scheme": "proxyconnect tcp: unknown scheme: {scheme}",
    "proxy.socks": "proxyconnect tcp: unsupported scheme: {scheme}",
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
}
