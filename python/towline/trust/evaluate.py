"""Evaluate the signature policy for an image.

A requirement that cannot be checked is not met.  Only `InsecureAcceptAnything` accepts an image.
POLICY-010 to POLICY-019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import PolicyError, TowlineError, step
from towline.transport import ImageReference, image_name
from towline.trust.policy_json import InsecureAcceptAnything, Policy, Reject, Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["deciding_requirements", "evaluate"]


def deciding_requirements(
    policy: Policy, reference: ImageReference
) -> tuple[str, tuple[Requirement, ...]]:
    """The scope that decides about an image, and its requirements.

    The scope is the first of these in the policy: the identity of the image, its namespaces from
    the narrowest to the widest, the transport's own ``""``, the default (POLICY-010).

    Returns:
        ``default``, or transport and scope such as ``docker:`` or ``docker:example.com/ns``; and
        the requirements.

    Raises:
        InvalidNameError: the reference has no identity (TRANS-073).
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
) -> None:
    """Evaluate a policy: all requirements of the deciding scope must be met (POLICY-013).

    Args:
        policy: the policy.
        reference: the image as the user named it, before mirrors are applied.
        origin: the file of the policy, for messages.
        signatures: the simple signatures of the image.
        log: called with the error of a requirement that is not implemented, before that error is
            raised (POLICY-016).

    Raises:
        PolicyError: ``policy.*``, for the first requirement that is not met.
        InvalidNameError: the reference has no identity (TRANS-073).
    """
    with step("rejected"):
        scope, requirements = deciding_requirements(policy, reference)
        facts = {"image": image_name(reference), "origin": origin, "scope": scope}
        if not requirements:  # only a policy built in code: a file cannot contain an empty list
            raise PolicyError("policy.no_requirements", **facts)
        for requirement in requirements:
            code = _refusal_code(requirement, signatures)
            if code is not None:
                name = type(requirement).__name__
                refusal = PolicyError(code, requirement=name[0].lower() + name[1:], **facts)
                if log is not None and code == "policy.signed_base_layer":
                    log(refusal)
                raise refusal


def _refusal_code(requirement: Requirement, signatures: Sequence[bytes]) -> str | None:
    """The error code if the requirement is not met, None if it is."""
    match requirement:
        case InsecureAcceptAnything():
            return None
        case Reject():
            return "policy.rejected"
        case _:
            from towline.trust.signed_by import SignedBaseLayer  # most policies have none

            if isinstance(requirement, SignedBaseLayer):
                return "policy.signed_base_layer"
            return "policy.cannot_judge" if signatures else "policy.signature_required"
