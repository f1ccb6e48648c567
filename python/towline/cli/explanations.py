"""Text output of ``resolve``: candidates, endpoints, credentials and the deciding files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.transport import image_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.config.credentials import AuthLookup
    from towline.config.endpoints import Endpoint
    from towline.runtime.explain import Explanation
    from towline.transport.facts import ConfigEntry

__all__ = ["auth_lines", "goal_lines"]

_WHY_NOT = {
    "broken": "cannot be used",
    "empty-entry": "has an entry without credentials",
    "helper-empty": "names a helper that has no credentials",
    "helper-missing": "names a helper that is not installed",
    "no-entry": "has no entry for it",
    "no-file": "does not exist",
    "skipped": "cannot be used",
}


def goal_lines(name: str, explained: Explanation) -> list[str]:
    """The pairs in order, the endpoints of each pair, and the deciding files."""
    return list(_goal_lines(name, explained))


def _goal_lines(name: str, explained: Explanation) -> Iterator[str]:
    goal = explained.goal
    for number, candidate in enumerate(explained.candidates, start=1):
        pair = candidate.pair
        yield f"{number}. {image_name(pair.source)} -> {pair.destination.name_and_id}"
        if candidate.entry is not None:
            yield f"   {_entry_text(candidate.entry)}:"
            yield from (f"   - {_endpoint_text(endpoint)}" for endpoint in candidate.endpoints)
    if goal.how.kind == "search":
        searched = ", ".join(goal.searched_registries or ()) or "none"
        yield f"{name} is a short name; search registries: {searched}"
    elif goal.how.kind == "alias":
        yield f"{name} is a short name with an alias"
    elif goal.pull_all_pairs:
        yield "every pair is pulled"
    yield from (f"decided by {_entry_text(decision)}" for decision in goal.how.entries)


def _entry_text(entry: ConfigEntry) -> str:
    if entry.path is None:
        return f"the default of {entry.table}, which no file sets"
    return f"{entry.table} in {entry.path}"


def _endpoint_text(endpoint: Endpoint) -> str:
    parts = [f"{'mirror' if endpoint.mirror else 'registry'} {endpoint.reference}"]
    if endpoint.insecure:
        parts.append("insecure")
    if endpoint.problem is not None:
        parts.append(f"not used: {endpoint.problem}")
    return ", ".join(parts)


def auth_lines(location: str, looks: Sequence[AuthLookup]) -> list[str]:
    """The lookups of credentials for a location, in order, and the result of each."""
    return [f"{location}:", *(f"  {_look(look)}" for look in looks), f"  {_end(looks)}"]


def _look(look: AuthLookup) -> str:
    helper = f" ({look.helper})" if look.helper else ""
    if look.outcome != "found":
        why = f": {look.error}" if look.error is not None else ""
        return f"{look.path} {_WHY_NOT[look.outcome]}{helper}{why}"
    key = f" under {look.key!r}" if look.key else ""
    kind = "an identity token" if look.identity_token else f"the user {look.username!r}"
    return f"{look.path}{key} has {kind}{helper}"


def _end(looks: Sequence[AuthLookup]) -> str:
    last = looks[-1].outcome if looks else "no-file"
    if last == "found":
        return "these credentials are used"
    if last == "broken":
        return "so a pull fails before the first request"
    return "so requests have no credentials"
