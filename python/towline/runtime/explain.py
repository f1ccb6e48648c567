"""Explains a goal: the configuration entries that decided it, and the endpoints of each pair."""

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
    """A configuration entry and the file that has it.

    Attributes:
        table: the table or key, as written in the file.
        path: the file; None if no file has the entry and the default applies.
    """

    table: str
    path: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON document."""
        return {"table": self.table, "path": self.path}


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Explanation:
    """A goal and the configuration entries that decided it.

    Attributes:
        how: the name has a transport, has a registry, is an alias, or is a short name.
        decisions: the entries of registries.conf that decided; empty if it was not read.
    """

    goal: PullGoal
    how: How
    candidates: tuple[Candidate, ...]
    decisions: tuple[ConfigEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the goal as a JSON document, with the keys of the explanation added."""
        return self.goal.to_json() | {
            "how": self.how,
            "decisions": [decision.to_json() for decision in self.decisions],
            "pairs": [candidate.to_json() for candidate in self.candidates],
        }


def explain_goal(name: str, goal: PullGoal, registries: Registries | None) -> Explanation:
    """Return the explanation of a goal.

    Args:
        name: the name that the user typed.
        goal: the goal that was made of the name.
        registries: the parsed registries.conf; None if it has no effect on the endpoints.
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
        "problem": None if problem is None else problem.to_json(),
    }
