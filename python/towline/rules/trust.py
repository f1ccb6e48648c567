"""The rules for policy.json."""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["TrustRules"]


@frozen
class TrustRules:
    """The settings of one edition for policy.json.

    Attributes:
        policy_requirements: the requirement types that policy.json may have (POLICY-021).
        policy_identities: the types of ``signedIdentity`` that it may have (POLICY-030).
        policy_key_paths: ``signedBy`` may list several key files, and none may be empty
            (POLICY-021).
    """

    policy_requirements: tuple[str, ...]
    policy_identities: tuple[str, ...]
    policy_key_paths: bool
