"""policy.json: the requirements that images must meet.

POLICY-020 to POLICY-029.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from towline.errors import step
from towline.transport import transport_named
from towline.trust.signed_identity import MatchRepoDigestOrExact, SignedIdentity, parse_identity
from towline.trust.sigstore_signed import SigstoreSigned, parse_sigstore_signed
from towline.trust.strict_json import Item, document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towline.rules.trust import TrustRules

__all__ = [
    "ACCEPT_ANYTHING",
    "InsecureAcceptAnything",
    "KeyType",
    "Policy",
    "Reject",
    "Requirement",
    "SignedBaseLayer",
    "SignedBy",
    "SigstoreSigned",
    "parse_policy",
]

KeyType = Literal["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"]

_KEY_TYPES: Mapping[str, KeyType] = {
    "GPGKeys": "GPGKeys",
    "X509Certificates": "X509Certificates",
    "signedByGPGKeys": "signedByGPGKeys",
    "signedByX509CAs": "signedByX509CAs",
}


@dataclass(frozen=True, slots=True)
class InsecureAcceptAnything:
    """Every image is accepted."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Every image is rejected."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class SignedBaseLayer:
    """A signature of the base image is required; the original never implemented this."""

    base_layer_identity: SignedIdentity


Requirement = InsecureAcceptAnything | Reject | SignedBy | SignedBaseLayer | SigstoreSigned
Requirements = tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The requirements for images, by transport and scope.

    Attributes:
        default: the requirements if no scope matches.
        transports: requirements by transport, then by scope.
    """

    default: Requirements
    transports: Mapping[str, Mapping[str, Requirements]] = field(default_factory=dict)


ACCEPT_ANYTHING = Policy(default=(InsecureAcceptAnything(),))


def parse_policy(data: bytes, path: str, rules: TrustRules) -> Policy:
    """Parse a policy.json.

    Args:
        data: the content of the file.
        path: its name in messages.
        rules: the known requirements and keys.

    Raises:
        ConfigurationError: ``policy_json.*``, the first error in the order of the document.
    """
    with step("parsing-policy", path=path):
        top = document(data)
        default: Requirements | None = None
        transports: dict[str, Mapping[str, Requirements]] = {}
        for key, value in top.fields(lambda key: key in ("default", "transports")):
            if key == "default":
                default = _requirements(value, rules)
            else:
                for transport, scopes in value.fields(lambda key: True):
                    transports[transport] = _scopes(transport, scopes, rules)
        if default is None:
            raise top.fault("no_default")
        return Policy(default, MappingProxyType(transports))


def _scopes(transport: str, item: Item, rules: TrustRules) -> Mapping[str, Requirements]:
    known = transport_named(transport)

    def valid(scope: str) -> bool:
        # POLICY-023: an unknown transport may have any scope; "" is every transport's default
        return known is None or scope == "" or known.valid_scope(scope)

    found = {scope: _requirements(value, rules) for scope, value in item.fields(valid)}
    return MappingProxyType(found)


def _requirements(item: Item, rules: TrustRules) -> Requirements:
    items = item.items()
    if not items:
        raise item.fault("empty_list")
    return tuple(_requirement(each, rules) for each in items)


def _requirement(item: Item, rules: TrustRules) -> Requirement:
    kind = item.type()
    if kind not in rules.policy_requirements:
        raise item.fault("unknown_requirement", type=kind, known=rules.policy_requirements)
    return _READERS[kind](item, rules)


def _accept(item: Item, rules: TrustRules) -> InsecureAcceptAnything:
    item.exact_fields("type")
    return InsecureAcceptAnything()


def _reject(item: Item, rules: TrustRules) -> Reject:
    item.exact_fields("type")
    return Reject()


def _signed_by(item: Item, rules: TrustRules) -> SignedBy:
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


def _signed_base_layer(item: Item, rules: TrustRules) -> SignedBaseLayer:
    fields = item.exact_fields("type", "baseLayerIdentity")
    return SignedBaseLayer(parse_identity(fields["baseLayerIdentity"], rules))


_READERS: Mapping[str, Callable[[Item, TrustRules], Requirement]] = {
    "insecureAcceptAnything": _accept,
    "reject": _reject,
    "signedBaseLayer": _signed_base_layer,
    "signedBy": _signed_by,
    "sigstoreSigned": parse_sigstore_signed,
}
