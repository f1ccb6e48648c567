"""The parser of policy.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from towline.errors import ConfigurationError
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.trust.policy_json import (
    InsecureAcceptAnything,
    Policy,
    Reject,
    parse_policy,
)
from towline.trust.signed_by import SignedBaseLayer, SignedBy
from towline.trust.signed_identity import (
    ExactReference,
    ExactRepository,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    RemapIdentity,
)
from towline.trust.sigstore_signed import SigstoreSigned

ACCEPT = '{"type": "insecureAcceptAnything"}'
KEY = '"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"'
BOTH = pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda r: r.edition)


def requiring(requirement: str) -> str:
    return f'{{"default": [{requirement}]}}'


def scoped(transports: str) -> str:
    return f'{{"default": [{ACCEPT}], "transports": {transports}}}'


def read(text: str, rules: Rules = Rules.CURRENT) -> Policy:
    return parse_policy(text.encode(), "/p.json", rules.trust)


def refusal(text: str, rules: Rules = Rules.CURRENT) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(text, rules)
    return caught.value


@BOTH
def test_a_whole_policy(rules: Rules) -> None:
    """Requirements by transport and scope, and the default."""
    signed = f'{{{KEY}, "signedIdentity": {{"type": "matchRepository"}}}}'
    found = read(
        '{"transports": {"docker": {"": [{"type": "reject"}], "e.x/ns": ['
        + signed
        + ', {"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}]},'
        '"nosuch": {"any scope": [{"type": "reject"}]}, "dir": {}},'
        f' "default": [{ACCEPT}]}}',
        rules,
    )
    assert found.default == (InsecureAcceptAnything(),)
    assert {name: dict(scopes) for name, scopes in found.transports.items()} == {
        "docker": {
            "": (Reject(),),
            "e.x/ns": (
                SignedBy("GPGKeys", ("/k",), None, MatchRepository()),
                SignedBaseLayer(MatchExact()),
            ),
        },
        "nosuch": {"any scope": (Reject(),)},
        "dir": {},
    }


@BOTH
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "Default policy is missing"),
        ("null", 'JSON object expected, got "%!s(<nil>)"'),
        ("[]", 'JSON object expected, got "["'),
        ("5", 'JSON object expected, got "%!s(float64=5)"'),
        ("true", 'JSON object expected, got "%!s(bool=true)"'),
        ('"x"', 'JSON object expected, got "x"'),
        ('{"default": null}', "List of verification policy requirements must not be empty"),
        ('{"default": []}', "List of verification policy requirements must not be empty"),
        ('{"default": [null]}', 'Unknown policy requirement type ""'),
        ('{"default": [{}]}', 'Unknown policy requirement type ""'),
        (requiring('{"type": null}'), 'Unknown policy requirement type ""'),
        (requiring('{"type": "bogus"}'), 'Unknown policy requirement type "bogus"'),
        (requiring('{"Type": "reject"}'), 'Unknown key "Type"'),
        (requiring('{"type": "reject", "x": 1}'), 'Unknown key "x"'),
        (
            requiring('{"type": "reject", "type": "insecureAcceptAnything"}'),
            'Duplicate key "type"',
        ),
        (f'{{"Default": [{ACCEPT}]}}', 'Unknown key "Default"'),
        (f'{{"default": [{ACCEPT}], "default": [{ACCEPT}]}}', 'Duplicate key "default"'),
        ('{"default": [], "x": 1}', "List of verification policy requirements must not be empty"),
        ('{"x": 1, "default": []}', 'Unknown key "x"'),
        (scoped("null"), 'JSON object expected, got "%!s(<nil>)"'),
        (scoped('{"docker": []}'), 'JSON object expected, got "["'),
        (scoped('{"docker": {}, "docker": {}}'), 'Duplicate key "docker"'),
        (
            scoped('{"docker": {"x": []}}'),
            "List of verification policy requirements must not be empty",
        ),
        (scoped(f'{{"docker-archive": {{"/x": [{ACCEPT}]}}}}'), 'Unknown key "/x"'),
        (scoped(f'{{"tarball": {{"/x": [{ACCEPT}]}}}}'), 'Unknown key "/x"'),
        (scoped(f'{{"dir": {{"x": [{ACCEPT}]}}}}'), 'Unknown key "x"'),
        (scoped(f'{{"oci": {{"/": [{ACCEPT}]}}}}'), 'Unknown key "/"'),
        (
            requiring(f'{{{KEY}, "keyData": "YQ=="}}'),
            "keyPath and keyData cannot be used simultaneously",
        ),
        (
            requiring('{"type": "signedBy", "keyType": "GPGKeys"}'),
            "At least one of keyPath and keyData mus be specified",
        ),
        (
            requiring('{"type": "signedBy", "keyType": "other", "x": 1}'),
            'Unrecognized keyType value "other"',
        ),
        (requiring('{"type": "signedBy", "x": 1, "keyType": "other"}'), 'Unknown key "x"'),
        (requiring('{"type": "signedBy", "keyPath": "/k"}'), 'invalid keyType ""'),
        (
            requiring('{"type": "signedBy", "keyType": "GPGKeys", "keyData": "YWI=="}'),
            "illegal base64 data at input byte 4",
        ),
        (
            requiring(f'{{{KEY}, "signedIdentity": null}}'),
            'Unknown policy reference match type ""',
        ),
        (
            requiring('{"type": "signedBaseLayer"}'),
            'Key "baseLayerIdentity" missing in a JSON object',
        ),
    ],
)
def test_errors_of_both_editions(text: str, message: str, rules: Rules) -> None:
    """The first error in the order of the document; the message is that of podman v1.3.2."""
    error = refusal(text, rules)
    assert error.render(Rules.LIBPOD_1_3.wording) == f'invalid policy in "/p.json": {message}'
    assert "/p.json" in error.render(Rules.CURRENT.wording)


@BOTH
@pytest.mark.parametrize(
    "text", ["", "garbage", requiring(ACCEPT) + "x", '{"default": [', "[" * 700, "[" * 70_000]
)
def test_invalid_json_is_refused(text: str, rules: Rules) -> None:
    """Data after the document and deep nesting are refused too."""
    assert refusal(text, rules).code == "policy_json.not_json"


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        '{"default": {}}',
        '{"default": [5]}',
        requiring('{"type": 5}'),
        requiring('{"type": "signedBy", "keyType": 5}'),
        requiring('{"type": "signedBy", "keyPath": []}'),
        requiring(f'{{{KEY}, "signedIdentity": []}}'),
    ],
)
def test_a_value_of_another_type_is_refused(text: str, rules: Rules) -> None:
    """No value is converted."""
    assert refusal(text, rules).code == "policy_json.wrong_type"


@pytest.mark.parametrize(
    ("identity", "meaning"),
    [
        ({"type": "matchExact"}, MatchExact()),
        ({"type": "matchRepoDigestOrExact"}, MatchRepoDigestOrExact()),
        ({"type": "matchRepository"}, MatchRepository()),
        (
            {"type": "exactReference", "dockerReference": "x:1"},
            ExactReference(parse_normalized("x:1")),
        ),
        (
            {"type": "exactRepository", "dockerRepository": "x"},
            ExactRepository(parse_normalized("x")),
        ),
        (
            {"type": "remapIdentity", "prefix": "a.b:5000", "signedPrefix": "c.d/e"},
            RemapIdentity("a.b:5000", "c.d/e"),
        ),
    ],
)
def test_the_kinds_of_identity(identity: dict[str, Any], meaning: object) -> None:
    """The requirements on the name in a signature."""
    found = read(requiring(f'{{{KEY}, "signedIdentity": {json.dumps(identity)}}}'))
    (requirement,) = found.default
    assert isinstance(requirement, SignedBy)
    assert requirement.identity == meaning


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        ({"type": "matchExact", "x": 1}, "unknown_key"),
        ({"type": "foo"}, "unknown_identity"),
        ({"type": "exactReference"}, "missing_key"),
        ({"type": "exactReference", "dockerReference": "x"}, "reference_untagged"),
        ({"type": "exactReference", "dockerReference": "X:1"}, "reference"),
        ({"type": "exactRepository", "dockerRepository": ""}, "reference"),
        ({"type": "remapIdentity", "prefix": "a.b"}, "missing_key"),
        ({"type": "remapIdentity", "prefix": "a.b/c:1", "signedPrefix": "a.b"}, "prefix"),
        ({"type": "remapIdentity", "prefix": "a.b/", "signedPrefix": "a.b"}, "prefix"),
    ],
)
def test_invalid_identities_are_refused(identity: dict[str, Any], code: str) -> None:
    """An identity is parsed as strictly as everything else."""
    text = requiring(f'{{{KEY}, "signedIdentity": {json.dumps(identity)}}}')
    assert refusal(text).code == f"policy_json.{code}"


def test_later_additions_are_unknown_in_libpod() -> None:
    """sigstoreSigned, keyPaths and remapIdentity are newer than podman v1.3.2."""
    old = Rules.LIBPOD_1_3
    remapped = '{"type": "remapIdentity", "prefix": "a.b", "signedPrefix": "a.c"}'
    assert refusal(requiring('{"type": "sigstoreSigned", "keyPath": "/k"}'), old).code == (
        "policy_json.unknown_requirement"
    )
    assert refusal(requiring('{"type": "signedBy", "keyPaths": ["/k"]}'), old).code == (
        "policy_json.unknown_key"
    )
    assert refusal(requiring(f'{{{KEY}, "signedIdentity": {remapped}}}'), old).code == (
        "policy_json.unknown_identity"
    )


def test_several_key_files() -> None:
    """keyPaths is a list of non-empty paths."""
    several = '{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": '
    (found,) = read(requiring(several + '["/a", "/b"]}')).default
    assert isinstance(found, SignedBy)
    assert found.key_paths == ("/a", "/b")
    assert refusal(requiring(several + "[]}")).code == "policy_json.no_key"
    assert refusal(requiring(several + '[""]}')).code == "policy_json.no_key"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "no_key"),
        ({"keyPath": "/k", "keyData": "YQ=="}, "keys_twice"),
        ({"keyPath": ""}, "empty_key"),
        ({"keyPaths": []}, "empty_key"),
        ({"keyData": "!"}, "not_base64"),
        ({"keyPath": "/k", "x": 1}, "unknown_key"),
        (
            {"fulcio": {"caPath": "/c", "oidcIssuer": "i", "subjectEmail": "s"}},
            "authority_incomplete",
        ),
        ({"fulcio": {"caPath": "/c"}, "rekorPublicKeyPath": "/r"}, "authority_incomplete"),
        ({"fulcio": {"x": "/c"}}, "unknown_key"),
        ({"pki": {"caRootsPath": "/c"}}, "authority_incomplete"),
        ({"pki": {"caRootsPath": "/c", "caRootsData": "YQ==", "subjectEmail": "s"}}, "keys_twice"),
        (
            {"pki": {"caRootsPath": "/c", "subjectEmail": "s"}, "rekorPublicKeyPath": "/r"},
            "keys_twice",
        ),
    ],
)
def test_invalid_sigstore_requirements_are_refused(fields: dict[str, Any], code: str) -> None:
    """There must be exactly one kind of key, with all its fields."""
    text = requiring(json.dumps({"type": "sigstoreSigned", **fields}))
    assert refusal(text).code == f"policy_json.{code}"


def test_sigstore_requirements_are_read() -> None:
    """With keys, with Fulcio and Rekor, with a PKI."""
    authority = {"caPath": "/c", "oidcIssuer": "i", "subjectEmail": "s"}
    pki = {"caRootsPath": "/c", "subjectHostname": "h"}
    found = read(
        requiring(
            ",".join(
                json.dumps({"type": "sigstoreSigned", **fields})
                for fields in (
                    {"keyPaths": ["/a", "/b"], "signedIdentity": {"type": "matchRepository"}},
                    {"fulcio": authority, "rekorPublicKeyData": "YQ=="},
                    {"pki": pki},
                )
            )
        )
    )
    assert found.default == (
        SigstoreSigned("keyPaths", ("/a", "/b"), identity=MatchRepository()),
        SigstoreSigned("fulcio", authority=authority, rekor=("rekorPublicKeyData", ("YQ==",))),
        SigstoreSigned("pki", authority=pki),
    )


def test_an_error_names_its_position_in_the_document() -> None:
    """The message contains the path in the document."""
    text = scoped('{"docker": {"e.x/ns": [{"type": "reject"}, {"type": "bogus"}]}}')
    assert 'transports.docker."e.x/ns"[1]: "bogus"' in str(refusal(text))
