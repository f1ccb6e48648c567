"""The judging of an image by the policy.

What cannot be judged is refused: there is no way through here but `InsecureAcceptAnything`.
POLICY-010 to POLICY-019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from towline.errors import PolicyError, TowlineError, step
from towline.transport import ImageReference, image_name
from towline.trust.policy_json import (
    InsecureAcceptAnything,
    Policy,
    Reject,
    Requirement,
    SignedBaseLayer,
    SignedBy,
    SigstoreSigned,
)

__all__ = ["Decision", "deciding_requirements", "evaluate"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Why an image may be used.

    Attributes:
        origin: the policy's file, or ``"built-in"``.
        scope: what in the policy decided: ``default``, or transport and scope as ``docker:`` or
            ``docker:example.com/ns``.
        requirements: what was asked, and is given.
    """

    origin: str
    scope: str
    requirements: tuple[Requirement, ...]


def deciding_requirements(
    policy: Policy, reference: ImageReference
) -> tuple[str, tuple[Requirement, ...]]:
    """The scope that decides about an image, and what it asks; others are not looked at.

    The first of these that the policy has: the identity of the image, its namespaces from the
    nearest on, the transport's own ``""``, the default (POLICY-010).

    Raises:
        InvalidNameError: a reference that has no identity (TRANS-073).
    """
    scopes = policy.transports.get(reference.transport)
    if scopes is not None:
        for scope in (reference.policy_identity, *reference.policy_namespaces, ""):
            if scope in scopes:
                return f"{reference.transport}:{scope}", scopes[scope]
    return "default", policy.default


def evaluate(
    policy: Policy,
    reference: ImageReference,
    *,
    origin: str,
    signatures: Sequence[bytes] = (),
    log: Callable[[TowlineError], None] | None = None,
) -> Decision:
    """Judge an image: every requirement of the deciding scope must be met (POLICY-013).

    Args:
        policy: the policy.
        reference: the image as the user named it, before mirrors.
        origin: where the policy is from, for messages and the decision.
        signatures: the simple signatures that came with the image.
        log: told of a requirement that nobody implements, beside the refusal (POLICY-016).

    Raises:
        PolicyError: ``policy.*``, of the first requirement that is not met.
        InvalidNameError: a reference that has no identity (TRANS-073).
    """
    with step("rejected"):
        scope, requirements = deciding_requirements(policy, reference)
        facts = {"image": image_name(reference), "origin": origin, "scope": scope}
        if not requirements:  # a policy made by hand; no file can say this
            raise PolicyError("policy.no_requirements", **facts)
        for requirement in requirements:
            code = _objection(requirement, signatures)
            if code is not None:
                name = type(requirement).__name__
                refusal = PolicyError(code, requirement=name[0].lower() + name[1:], **facts)
                if log is not None and isinstance(requirement, SignedBaseLayer):
                    log(refusal)
                raise refusal
        return Decision(origin, scope, requirements)


def _objection(requirement: Requirement, signatures: Sequence[bytes]) -> str | None:
    """The code of the refusal, None only where the requirement is met."""
    match requirement:
        case InsecureAcceptAnything():
            return None
        case Reject():
            return "policy.rejected"
        case SignedBaseLayer():
            return "policy.signed_base_layer"
        case SignedBy() | SigstoreSigned():
            return "policy.cannot_judge" if signatures else "policy.signature_required"
