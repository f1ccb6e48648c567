"""policy.json: the requirements that images must meet.

POLICY-020 to POLICY-029.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from towline.errors import step
from towline.frozen import field, frozen
from towline.transport import transport_named
from towline.trust.strict_json import Item, document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.rules.trust import TrustRules
    from towline.trust.signed_by import SignedBaseLayer, SignedBy
    from towline.trust.sigstore_signed import SigstoreSigned

__all__ = [
    "ACCEPT_ANYTHING",
    "InsecureAcceptAnything",
    "Policy",
    "Reject",
    "Requirement",
    "parse_policy",
]


@frozen
class InsecureAcceptAnything:
    """Every image is accepted."""


@frozen
class Reject:
    """Every image is rejected."""


Requirement: TypeAlias = (
    "InsecureAcceptAnything | Reject | SignedBy | SignedBaseLayer | SigstoreSigned"
)
Requirements: TypeAlias = "tuple[Requirement, ...]"


@frozen
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
    match kind if kind in rules.policy_requirements else "":
        case "insecureAcceptAnything":
            item.exact_fields("type")
            return InsecureAcceptAnything()
        case "reject":
            item.exact_fields("type")
            return Reject()
        case "signedBy":
            from towline.trust.signed_by import parse_signed_by

            return parse_signed_by(item, rules)
        case "signedBaseLayer":
            from towline.trust.signed_by import parse_signed_base_layer

            return parse_signed_base_layer(item, rules)
        case "sigstoreSigned":
            from towline.trust.sigstore_signed import parse_sigstore_signed

            return parse_sigstore_signed(item, rules)
        case _:
            raise item.fault("unknown_requirement", type=kind, known=rules.policy_requirements)
