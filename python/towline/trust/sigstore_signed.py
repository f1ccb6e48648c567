"""The requirement ``sigstoreSigned``: a signature in the format of cosign.

POLICY-031.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import field, frozen
from towline.trust.signed_identity import MatchRepoDigestOrExact, SignedIdentity, parse_identity
from towline.trust.strict_json import Item

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.rules.trust import TrustRules

__all__ = ["SigstoreSigned", "parse_sigstore_signed"]

_FULCIO = ("caPath", "caData", "oidcIssuer", "subjectEmail")
_PKI = (
    "caRootsPath",
    "caRootsData",
    "caIntermediatesPath",
    "caIntermediatesData",
    "subjectEmail",
    "subjectHostname",
)
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki")
_REKOR = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")


@frozen
class SigstoreSigned:
    """A sigstore signature by one of these keys or authorities is required.

    Attributes:
        trust: the kind of keys: ``keyPath``, ``keyPaths``, ``keyData``, ``keyDatas``, ``fulcio``
            or ``pki``.
        values: the paths or data of the keys.
        authority: the fields of ``fulcio`` or ``pki``.
        rekor: the kind of the Rekor log's keys, and their paths or data; None if not given.
        identity: the image identity that the signature must name.
    """

    trust: str
    values: tuple[str, ...] = ()
    authority: Mapping[str, str] = field(default_factory=dict)
    rekor: tuple[str, tuple[str, ...]] | None = None
    identity: SignedIdentity = field(default_factory=MatchRepoDigestOrExact)


def parse_sigstore_signed(item: Item, rules: TrustRules) -> SigstoreSigned:
    """Parse the requirement.

    Raises:
        ConfigurationError: ``policy_json.*``.
    """
    known = ("type", "signedIdentity", *_KEYS, *_REKOR)
    given: dict[str, tuple[str, ...]] = {}
    authority: dict[str, str] = {}
    identity: SignedIdentity = MatchRepoDigestOrExact()
    for key, value in item.fields(lambda key: key in known):
        match key:
            case "type":
                continue
            case "signedIdentity":
                identity = parse_identity(value, rules)
            case "fulcio" | "pki":
                known_fields = _FULCIO.__contains__ if key == "fulcio" else _PKI.__contains__
                authority = {name: part.text() for name, part in value.fields(known_fields)}
                _check_authority(value, key, authority)
                given[key] = ()
            case _:
                read = Item.data if "Data" in key else Item.text
                texts = (
                    [read(each) for each in value.items()] if key.endswith("s") else [read(value)]
                )
                if not all(texts) or not texts:
                    raise value.fault("empty_key")
                given[key] = tuple(texts)
    trust = [key for key in _KEYS if key in given]
    if len(trust) != 1:
        raise item.fault("keys_twice" if trust else "no_key", keys=trust or _KEYS)
    rekor = [key for key in _REKOR if key in given]
    if len(rekor) > 1:
        raise item.fault("keys_twice", keys=rekor)
    if trust == ["fulcio"] and not rekor:
        raise item.fault("authority_incomplete", key="fulcio", lacks=_REKOR)
    if trust == ["pki"] and rekor:
        raise item.fault("keys_twice", keys=["pki", rekor[0]])
    return SigstoreSigned(
        trust[0],
        given[trust[0]],
        authority,
        (rekor[0], given[rekor[0]]) if rekor else None,
        identity,
    )


def _check_authority(item: Item, key: str, fields: Mapping[str, str]) -> None:
    # Of each row, exactly one key is required; of the subjects at least one.
    wanted = (
        (("caPath", "caData"), ("oidcIssuer",), ("subjectEmail",))
        if key == "fulcio"
        else (("caRootsPath", "caRootsData"), ("subjectEmail", "subjectHostname"))
    )
    for choice in wanted:
        present = [name for name in choice if fields.get(name)]
        if not present:
            raise item.fault("authority_incomplete", key=key, lacks=choice)
        if len(present) > 1 and choice[0].startswith("ca"):
            raise item.fault("keys_twice", keys=present)
    if fields.get("caIntermediatesPath") and fields.get("caIntermediatesData"):
        raise item.fault("keys_twice", keys=["caIntermediatesPath", "caIntermediatesData"])
