"""Explains a goal: the endpoints of each pair, with the entries from which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.config.endpoints import Endpoint, endpoints_of
from towline.frozen import frozen
from towline.transport.docker import DockerReference
from towline.transport.facts import ConfigEntry

if TYPE_CHECKING:
    from towline.config.registries import Registries
    from towline.goal import PullGoal, PullRefPair

__all__ = ["Candidate", "Explanation", "explain_goal"]


@frozen
class Candidate:
    """One pair and its endpoints.

    Attributes:
        endpoints: in the order in which they are tried; empty if the source is not a registry.
        entry: the ``[[registry]]`` table from which they come; None if none matches.
    """

    pair: PullRefPair
    endpoints: tuple[Endpoint, ...] = ()
    entry: ConfigEntry | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as a JSON document."""
        return self.pair.to_json() | {
            "endpoints": [_endpoint(endpoint) for endpoint in self.endpoints],
            "entry": None if self.entry is None else self.entry.to_json(),
        }


@frozen
class Explanation:
    """A goal, with its reasons, and the endpoints of its pairs."""

    goal: PullGoal
    candidates: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the goal as a JSON document, with the keys of the explanation added."""
        how = self.goal.how
        return self.goal.to_json() | {
            "how": how.kind,
            "decisions": [entry.to_json() for entry in how.entries],
            "pairs": [candidate.to_json() for candidate in self.candidates],
        }


def explain_goal(goal: PullGoal, registries: Registries | None) -> Explanation:
    """Return the explanation of a goal.

    Args:
        goal: the goal.
        registries: the parsed registries.conf; None if it has no effect on the endpoints.
    """
    return Explanation(goal, tuple(_candidate(pair, registries) for pair in goal.pairs))


def _candidate(pair: PullRefPair, registries: Registries | None) -> Candidate:
    if not isinstance(pair.source, DockerReference):
        return Candidate(pair)
    reference = pair.source.reference
    if registries is None:
        return Candidate(pair, (Endpoint(reference),))
    found = registries.find(reference.name)
    entry = None
    if found is not None:
        table = f'[[registry]] prefix = "{found.prefix}"'
        entry = ConfigEntry(table, registries.origin(f"registry.{found.prefix}"))
    return Candidate(pair, endpoints_of(registries, reference), entry)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    problem = endpoint.problem
    return {
        "location": endpoint.reference.name,
        "mirror": endpoint.mirror,
        "insecure": endpoint.insecure,
        "problem": None if problem is None else problem.to_json(),
    }
