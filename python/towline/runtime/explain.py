"""Why a pull tries what it tries: which file and table decided, and who is asked for each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from towline.config.endpoints import Endpoint, endpoints_of
from towline.config.registries import Registries
from towline.errors import TowlineError
from towline.goal import PullGoal, PullRefPair
from towline.name.parts import decompose
from towline.transport.docker import DockerReference

__all__ = ["Candidate", "ConfigEntry", "Explanation", "explain_goal"]

How = Literal["alias", "full-name", "search", "transport"]


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """What a file says, and which one.

    Attributes:
        table: the table or key, as it stands in the file.
        path: the file; None where no file says anything, so that a default holds.
    """

    table: str
    path: str | None

    def to_json(self) -> dict[str, Any]:
        """The decision as a JSON document."""
        return {"table": self.table, "path": self.path}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pair and the places that are asked for it.

    Attributes:
        endpoints: in the order of asking; empty where the source is no registry.
        entry: the ``[[registry]]`` that made them, None where none matches.
    """

    pair: PullRefPair
    endpoints: tuple[Endpoint, ...] = ()
    entry: ConfigEntry | None = None

    def to_json(self) -> dict[str, Any]:
        """The candidate as a JSON document."""
        return self.pair.to_json() | {
            "endpoints": [_endpoint(endpoint) for endpoint in self.endpoints],
            "entry": None if self.entry is None else self.entry.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A goal with its reasons.

    Attributes:
        how: a transport was given; the name has a registry; it is an alias; it was searched for.
        decisions: what registries.conf says about the name; empty where it was not asked.
    """

    goal: PullGoal
    how: How
    candidates: tuple[Candidate, ...]
    decisions: tuple[ConfigEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The goal as a JSON document, with the reasons beside it."""
        return self.goal.to_json() | {
            "how": self.how,
            "decisions": [decision.to_json() for decision in self.decisions],
            "pairs": [candidate.to_json() for candidate in self.candidates],
        }


def explain_goal(name: str, goal: PullGoal, registries: Registries | None) -> Explanation:
    """The reasons of a goal.

    Args:
        name: what the user typed.
        goal: what was made of it.
        registries: the configuration, None where it has no say in where images lie.
    """
    candidates = tuple(_candidate(pair, registries) for pair in goal.pairs)
    how = _how(name, goal)
    decisions: list[ConfigEntry] = []
    if registries is not None and how == "alias":
        short = decompose(name).unnormalized.name
        decisions.append(_decision(registries, f"aliases.{short}", f'[aliases] "{short}"'))
    elif registries is not None and how == "search":
        decisions = [
            _decision(registries, key, key)
            for key in ("unqualified-search-registries", "short-name-mode")
        ]
    return Explanation(goal, how, candidates, tuple(decisions))


def _how(name: str, goal: PullGoal) -> How:
    if goal.used_search_registries:
        return "search"
    if len(goal.pairs) != 1 or not isinstance(goal.pairs[0].source, DockerReference):
        return "transport"
    try:
        return "full-name" if decompose(name).has_registry else "alias"
    except TowlineError:  # docker://…
        return "transport"


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
        entry = _decision(registries, f"registry.{found.prefix}", table)
    return Candidate(pair, endpoints_of(registries, reference), entry)


def _decision(registries: Registries, key: str, table: str) -> ConfigEntry:
    return ConfigEntry(table, registries.origin(key))


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    problem = endpoint.problem
    return {
        "location": endpoint.reference.name,
        "mirror": endpoint.mirror,
        "insecure": endpoint.insecure,
        "problem": None if problem is None else {"code": problem.code, "message": str(problem)},
    }
