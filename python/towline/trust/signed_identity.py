"""Which image a signature must speak of: the ``signedIdentity`` of a requirement.

POLICY-030.
"""

from __future__ import annotations

from dataclasses import dataclass

from towline.errors import InvalidNameError
from towline.name.reference import Reference, parse_normalized, parse_reference
from towline.rules import Rules
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


@dataclass(frozen=True, slots=True)
class MatchExact:
    """The same name with the same tag or digest."""


@dataclass(frozen=True, slots=True)
class MatchRepoDigestOrExact:
    """The same, or the same repository where the image was named by its digest."""


@dataclass(frozen=True, slots=True)
class MatchRepository:
    """The same repository."""


@dataclass(frozen=True, slots=True)
class ExactReference:
    """This name with this tag or digest, whatever the image is called."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class ExactRepository:
    """This repository, whatever the image is called."""

    repository: Reference


@dataclass(frozen=True, slots=True)
class RemapIdentity:
    """As `MatchRepoDigestOrExact`, after `prefix` of the image's name became `signed_prefix`."""

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


def parse_identity(item: Item, rules: Rules) -> SignedIdentity:
    """Read a ``signedIdentity``.

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
        parse_reference(f"{text}/x")  # what names may go on from; a host alone is a prefix too
    except InvalidNameError:
        raise item.fault("prefix", prefix=text) from None
    return text
