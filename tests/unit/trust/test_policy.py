"""Evaluation of the signature policy."""

from __future__ import annotations

import pytest

from towline.errors import PolicyError, TowlineError
from towline.name.reference import parse_normalized
from towline.transport import ImageReference
from towline.transport.dir import DirReference
from towline.transport.docker import DockerReference
from towline.transport.docker_archive import DockerArchiveReference
from towline.trust.evaluate import deciding_requirements, evaluate
from towline.trust.policy_json import (
    InsecureAcceptAnything,
    Policy,
    Reject,
    Requirement,
)
from towline.trust.signed_by import SignedBaseLayer, SignedBy
from towline.trust.signed_identity import MatchExact
from towline.trust.sigstore_signed import SigstoreSigned
from towline.wording import LIBPOD_1_3

ACCEPT: tuple[Requirement, ...] = (InsecureAcceptAnything(),)
REJECT: tuple[Requirement, ...] = (Reject(),)
SIGNED_BY = SignedBy("GPGKeys", ("/k",), None, MatchExact())
SIGSTORE = SigstoreSigned("keyPath", ("/k",))
BASE_LAYER = SignedBaseLayer(MatchExact())


def docker(name: str, *, wildcards: bool = True) -> DockerReference:
    return DockerReference(parse_normalized(name).tagged(), wildcards=wildcards)


IMAGE = docker("e.x:5000/ns/img:1")


def accepted(
    policy: Policy, reference: ImageReference = IMAGE
) -> tuple[str, tuple[Requirement, ...]]:
    """The scope that decided and its requirements; the policy must accept the image."""
    evaluate(policy, reference, origin="/p.json")
    return deciding_requirements(policy, reference)


def refusal(
    policy: Policy, reference: ImageReference = IMAGE, signatures: tuple[bytes, ...] = ()
) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        evaluate(policy, reference, origin="/p.json", signatures=signatures)
    return caught.value


@pytest.mark.clause("POLICY-010")
@pytest.mark.parametrize(
    "scope",
    [
        "e.x:5000/ns/img:1",
        "e.x:5000/ns/img",
        "e.x:5000/ns",
        "e.x:5000",
        "*.x",
        "",
    ],
)
def test_only_the_narrowest_scope_decides(scope: str) -> None:
    """The order is identity, namespaces, wildcards, the transport's default, the default."""
    order = ["e.x:5000/ns/img:1", "e.x:5000/ns/img", "e.x:5000/ns", "e.x:5000", "*.x", ""]
    wider = dict.fromkeys(order[order.index(scope) + 1 :], REJECT)
    accepting = Policy(REJECT, {"docker": {**wider, scope: ACCEPT}})
    assert accepted(accepting) == (f"docker:{scope}", ACCEPT)
    wider = dict.fromkeys(wider, ACCEPT)
    rejecting = Policy(ACCEPT, {"docker": {**wider, scope: REJECT}})
    assert refusal(rejecting).facts["scope"] == f"docker:{scope}"


@pytest.mark.parametrize(
    "transports",
    [{}, {"docker": {}}, {"docker": {"other.x": REJECT, "e.x": REJECT}}, {"dir": {"": REJECT}}],
)
def test_the_default_decides_if_no_scope_matches(
    transports: dict[str, dict[str, tuple[Requirement, ...]]],
) -> None:
    """Other transports and scopes are ignored; a refusal names the default."""
    assert accepted(Policy(ACCEPT, transports)) == ("default", ACCEPT)
    facts = refusal(Policy(REJECT, transports)).facts
    assert (facts["scope"], facts["origin"]) == ("default", "/p.json")


@pytest.mark.clause("POLICY-012")
def test_libpod_1_3_has_no_wildcard_scopes() -> None:
    """The reference records whether its edition has wildcards."""
    policy = Policy(ACCEPT, {"docker": {"*.x": REJECT}})
    assert accepted(policy, docker("e.x/img", wildcards=False)) == ("default", ACCEPT)
    assert refusal(policy, docker("e.x/img")).code == "policy.rejected"


def test_parent_scopes_apply_to_directories() -> None:
    """The resolved path is used, not the path as written."""
    policy = Policy(ACCEPT, {"dir": {"/a": REJECT}})
    assert refusal(policy, DirReference("x", "/a/b/c")).code == "policy.rejected"
    assert accepted(policy, DirReference("/a/x", "/ab/c")) == ("default", ACCEPT)


def test_only_the_transports_default_applies_to_a_docker_archive() -> None:
    """A docker-archive has no policy identity."""
    policy = Policy(ACCEPT, {"docker-archive": {"": REJECT}})
    assert refusal(policy, DockerArchiveReference("/a.tar")).facts["scope"] == "docker-archive:"


@pytest.mark.clause("POLICY-013")
def test_all_requirements_of_a_list_must_be_met() -> None:
    """One requirement that is not met rejects the image."""
    assert refusal(Policy((*ACCEPT, *REJECT))).code == "policy.rejected"
    assert refusal(Policy((*REJECT, *ACCEPT))).code == "policy.rejected"
    assert accepted(Policy(ACCEPT * 2)) == ("default", ACCEPT * 2)


@pytest.mark.clause("POLICY-014")
@pytest.mark.parametrize("signatures", [(), (b"x",)])
@pytest.mark.parametrize("requirement", [SIGNED_BY, SIGSTORE, BASE_LAYER, Reject()])
def test_requirements_that_cannot_be_checked_reject_the_image(
    requirement: Requirement, signatures: tuple[bytes, ...]
) -> None:
    """With and without signatures, alone and together with another requirement."""
    assert refusal(Policy((requirement,)), signatures=signatures).code.startswith("policy.")
    combined = refusal(Policy((*ACCEPT, requirement)), signatures=signatures)
    assert combined.code.startswith("policy.")


def test_an_empty_list_of_requirements_rejects_the_image() -> None:
    """Only a policy built in code can have an empty list; a file cannot."""
    assert refusal(Policy(())).code == "policy.no_requirements"


@pytest.mark.parametrize(
    ("requirement", "text"),
    [
        (Reject(), "Running image docker://e.x:5000/ns/img:1 is rejected by policy."),
        (SIGNED_BY, "A signature was required, but no signature exists"),
        (BASE_LAYER, "signedBaseLayer not implemented yet!"),
    ],
)
def test_the_messages_of_libpod_1_3(requirement: Requirement, text: str) -> None:
    """The message contains the image as transport and name."""
    error = refusal(Policy((requirement,)))
    assert error.render(LIBPOD_1_3) == f"Source image rejected: {text}"


def test_a_refusal_names_image_scope_and_file() -> None:
    """The message contains all three."""
    message = str(refusal(Policy(ACCEPT, {"docker": {"e.x:5000": REJECT}})))
    for part in ("docker://e.x:5000/ns/img:1", "docker:e.x:5000", "/p.json"):
        assert part in message


@pytest.mark.clause("POLICY-016")
def test_only_the_unimplemented_requirement_is_logged() -> None:
    """It is logged without the steps of the error."""
    logged: list[TowlineError] = []
    for requirement in (Reject(), SIGNED_BY, BASE_LAYER):
        with pytest.raises(PolicyError):
            evaluate(
                Policy((requirement,)),
                IMAGE,
                origin="",
                log=lambda error: logged.append(PolicyError(error.code, **error.facts)),
            )
    assert [error.render(LIBPOD_1_3) for error in logged] == [
        "signedBaseLayer not implemented yet!"
    ]
