"""The ``signedIdentity`` of a requirement: the image identity that a signature must name.

POLICY-030.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import InvalidNameError
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized, parse_reference

if TYPE_CHECKING:
    from towline.rules.trust import TrustRules
    from towline.trust.strict_json import Item

__all__ = [
    "ExactReference",
    "ExactRepository",
    "MatchExact",
    "MatchRepoDigestOrExact",
    "MatchRepository",
    "RemapIdentity",
    "SignedIdentity",
    "parse_identity",
]


@frozen
class MatchExact:
    """The image's name with the same tag or digest."""


@frozen
class MatchRepoDigestOrExact:
    """As `MatchExact`; for an image named by its digest, the same repository suffices."""


@frozen
class MatchRepository:
    """The image's repository, with any tag or digest."""


@frozen
class ExactReference:
    """This name with this tag or digest, independent of the image's name."""

    reference: Reference


@frozen
class ExactRepository:
    """This repository, independent of the image's name."""

    repository: Reference


@frozen
class RemapIdentity:
    """As `MatchRepoDigestOrExact`, after `prefix` in the image's name is replaced.

    `signed_prefix` is the replacement.
    """

    prefix: str
    signed_prefix: str


SignedIdentity = (
    MatchExact
    | MatchRepoDigestOrExact
    | MatchRepository
    | ExactReference
    | ExactRepository
    | RemapIdentity
)


def parse_identity(item: Item, rules: TrustRules) -> SignedIdentity:
    """Parse a ``signedIdentity``.

    Raises:
        ConfigurationError: ``policy_json.*``.
    """
    kind = item.type()
    if kind not in rules.policy_identities:
        raise item.fault("unknown_identity", type=kind, known=rules.policy_identities)
    match kind:
        case "matchExact":
            item.exact_fields("type")
            return MatchExact()
        case "matchRepoDigestOrExact":
            item.exact_fields("type")
            return MatchRepoDigestOrExact()
        case "matchRepository":
            item.exact_fields("type")
            return MatchRepository()
        case "exactReference":
            value = item.exact_fields("type", "dockerReference")["dockerReference"]
            reference = _reference(value, "dockerReference")
            if reference.tag is None and reference.digest is None:
                raise value.fault("reference_untagged", name=value.text())
            return ExactReference(reference)
        case "exactRepository":
            value = item.exact_fields("type", "dockerRepository")["dockerRepository"]
            return ExactRepository(_reference(value, "dockerRepository"))
        case _:
            fields = item.exact_fields("type", "prefix", "signedPrefix")
            return RemapIdentity(_prefix(fields["prefix"]), _prefix(fields["signedPrefix"]))


def _reference(item: Item, key: str) -> Reference:
    try:
        return parse_normalized(item.text())
    except InvalidNameError as fault:
        raise item.fault("reference", key=key, name=item.text(), reason=fault) from None


def _prefix(item: Item) -> str:
    text = item.text()
    try:
        parse_reference(f"{text}/x")  # a host alone is a valid prefix too
    except InvalidNameError:
        raise item.fault("prefix", prefix=text) from None
    return text
