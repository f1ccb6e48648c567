"""Operations that parse image names or build goals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.conformance.driver.configuration import configured, registries_of
from towline.conformance.driver.pulls import pulled_before
from towline.conformance.driver.session import Input, Operation, PartError, Session, text
from towline.errors import TowlineError
from towline.goal import (
    PullGoal,
    PullRefPair,
    goal_from_image_reference,
    goal_from_possibly_unqualified_name,
    pull_ref_pair,
)
from towline.image.platform import host_platform
from towline.runtime.disk_facts import DiskFacts
from towline.runtime.sources import Sources
from towline.transport import ImageReference, image_name, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.config.locations import Locations
    from towline.store.protocol import ImageStore

__all__ = ["OPERATIONS"]


def _parse_image_name(session: Session, given: Input) -> dict[str, Any]:
    facts = _facts(session)
    reference = parse_image_name(text(given, "name"), facts, session.rules.names)
    own = reference.docker_reference
    return {
        "transport": reference.transport,
        "string_within_transport": reference.within_transport,
        "image_name": image_name(reference),
        "docker_reference": None if own is None else str(own),
        "policy_configuration_identity": reference.policy_identity,
        "policy_configuration_namespaces": list(reference.policy_namespaces),
    }


def _pull_ref_pair(session: Session, given: Input) -> dict[str, Any]:
    facts = _facts(session)
    if given.get("pre"):
        facts = _facts(session, store=pulled_before(session, given))
    source = _source(session, given, facts)
    return _pair(pull_ref_pair(source, given["dest_name"], facts))


def _goal_from_image_reference(session: Session, given: Input) -> dict[str, Any]:
    facts = _facts(session)
    source = _source(session, given, facts)
    return _goal(goal_from_image_reference(source, given["image_name"], facts, session.rules.names))


def _goal_from_possibly_unqualified_name(session: Session, given: Input) -> dict[str, Any]:
    locations = configured(session, given)
    facts = _facts(session, locations=locations)
    return _goal(goal_from_possibly_unqualified_name(given["name"], facts, session.rules.names))


def _get_image_digest(session: Session, given: Input) -> dict[str, Any]:
    facts = _facts(session)
    return {"digest": f"@{facts.config_hex(_source(session, given, facts))}"}


def _facts(
    session: Session, *, locations: Locations | None = None, store: ImageStore | None = None
) -> DiskFacts:
    config = locations or configured(session, {})
    return DiskFacts(
        store=session.identity,
        find_id=store.find_id if store is not None else lambda _: None,
        registries=lambda: registries_of(session, config),
        rules=session.rules,
        sources=Sources(session.rules),
        platform=host_platform,
    )


def _source(session: Session, given: Input, facts: DiskFacts) -> ImageReference:
    try:
        return parse_image_name(given["source"], facts, session.rules.names)
    except TowlineError as error:
        raise PartError("ParseImageName", error) from None


def _goal(goal: PullGoal) -> dict[str, Any]:
    pairs = [_pair(pair) for pair in goal.pairs]
    return {
        **goal.to_json(),
        "pairs": pairs,
        # As separate lists, for vectors of tools that do not show the pairs of a goal.
        "sources": [pair["src"] for pair in pairs],
        "destinations": [pair["dst"] for pair in pairs],
    }


def _pair(pair: PullRefPair) -> dict[str, Any]:
    return {
        "image": pair.image,
        "src": image_name(pair.source),
        "dst": pair.destination.name_and_id,
    }


OPERATIONS: Mapping[str, Operation] = {
    "get_image_digest": _get_image_digest,
    "goal_from_image_reference": _goal_from_image_reference,
    "goal_from_possibly_unqualified_name": _goal_from_possibly_unqualified_name,
    "parse_image_name": _parse_image_name,
    "pull_ref_pair": _pull_ref_pair,
}
