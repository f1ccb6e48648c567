"""The requirements ``signedBy`` and ``signedBaseLayer``: simple signatures.

POLICY-020 to POLICY-024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from towline.frozen import frozen
from towline.trust.signed_identity import MatchRepoDigestOrExact, SignedIdentity, parse_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.rules.trust import TrustRules
    from towline.trust.strict_json import Item

__all__ = ["KeyType", "SignedBaseLayer", "SignedBy", "parse_signed_base_layer", "parse_signed_by"]

KeyType = Literal["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"]

_KEY_TYPES: Mapping[str, KeyType] = {
    "GPGKeys": "GPGKeys",
    "X509Certificates": "X509Certificates",
    "signedByGPGKeys": "signedByGPGKeys",
    "signedByX509CAs": "signedByX509CAs",
}


@frozen
class SignedBy:
    """A simple signature by one of these keys is required.

    Attributes:
        key_type: the type of the keys; the original implements only GPGKeys.
        key_paths: files with keys.
        key_data: the keys as base64, if no file is given.
        identity: the image identity that the signature must name.
    """

    key_type: KeyType
    key_paths: tuple[str, ...]
    key_data: str | None
    identity: SignedIdentity


@frozen
class SignedBaseLayer:
    """A signature of the base image is required; the original never implemented this."""

    base_layer_identity: SignedIdentity


def parse_signed_by(item: Item, rules: TrustRules) -> SignedBy:
    """Parse the requirement ``signedBy``.

    Raises:
        ConfigurationError: ``policy_json.*``.
    """
    keys = ["type", "keyType", "keyPath", "keyData", "signedIdentity"]
    if rules.policy_key_paths:
        keys.append("keyPaths")
    given: dict[str, Item] = {}
    key_type: KeyType | None = None
    paths: tuple[str, ...] = ()
    data: str | None = None
    for key, value in item.fields(lambda key: key in keys):
        given[key] = value
        match key:
            case "keyType":
                key_type = _KEY_TYPES.get(value.text())
                if key_type is None:
                    raise value.fault("key_type", key_type=value.text())
            case "keyPath":
                paths = (value.text(),)
            case "keyPaths":
                paths = tuple(each.text() for each in value.items())
            case "keyData":
                data = value.data()
            case _:  # "type" is checked already; "signedIdentity" is parsed after all fields
                pass
    identity: SignedIdentity = MatchRepoDigestOrExact()
    if "signedIdentity" in given:
        identity = parse_identity(given["signedIdentity"], rules)
    sources = [key for key in ("keyPath", "keyPaths", "keyData") if key in given]
    if len(sources) > 1:
        raise item.fault("keys_twice", keys=sources)
    if not sources:
        raise item.fault("no_key")
    if key_type is None:
        raise item.fault("no_key_type")
    if rules.policy_key_paths and data is None and not (paths and all(paths)):
        raise item.fault("no_key")
    return SignedBy(key_type, paths, data, identity)


def parse_signed_base_layer(item: Item, rules: TrustRules) -> SignedBaseLayer:
    """Parse the requirement ``signedBaseLayer``.

    Raises:
        ConfigurationError: ``policy_json.*``.
    """
    fields = item.exact_fields("type", "baseLayerIdentity")
    return SignedBaseLayer(parse_identity(fields["baseLayerIdentity"], rules))
