"""Goals: the pairs of source and destination that a pull tries, built from a name.

This module is pure.  It gets all outside information from `towline.transport.facts.Facts`, in a
fixed order, because the order decides which error a user sees.  (GOAL-001 to GOAL-036)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from towline.errors import InvalidNameError, TowlineError, step
from towline.frozen import frozen, replace
from towline.name.parts import ImageParts, decompose
from towline.name.reference import parse_reference
from towline.transport import ImageReference, docker, image_name, parse_image_name
from towline.transport.containers_storage import StoreReference, parse_store_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.rules.names import NameRules
    from towline.transport.docker_archive import DockerArchiveReference
    from towline.transport.facts import ConfigEntry, Facts
    from towline.transport.oci import OciReference
    from towline.transport.tarball import TarballReference

__all__ = [
    "LOCAL_REGISTRY",
    "How",
    "PullGoal",
    "PullRefPair",
    "goal_from_image_reference",
    "goal_from_name",
    "goal_from_possibly_unqualified_name",
    "pull_ref_pair",
]

LOCAL_REGISTRY = "localhost"  # GOAL-003: where names without a registry are stored


@frozen
class PullRefPair:
    """A source and the destination for it; `image` is the name that is shown to the user."""

    image: str
    source: ImageReference
    destination: StoreReference

    def __repr__(self) -> str:
        return f"<PullRefPair {image_name(self.source)} -> {self.destination.name_and_id}>"

    def to_json(self) -> dict[str, Any]:
        """``{"image", "source", "destination"}``, as strings."""
        return {
            "image": self.image,
            "source": image_name(self.source),
            "destination": self.destination.name_and_id,
        }


@frozen
class How:
    """How the pairs of a goal follow from the name.

    Attributes:
        kind: ``"transport"``: the name has a transport; ``"archive-name"``: it has a transport,
            and the destination is the name that the archive or layout gives to the image;
            ``"full-name"``: it has a registry; ``"alias"``: it is a short-name alias;
            ``"search"``: it is a short name, completed with the search registries.
        entries: the entries of registries.conf that decided; empty if it was not read.
    """

    kind: Literal["alias", "archive-name", "full-name", "search", "transport"]
    entries: tuple[ConfigEntry, ...] = ()


_BY_TRANSPORT = How("transport")
_BY_ARCHIVE = How("archive-name")


@frozen
class PullGoal:
    """The pairs in the order in which they are tried, and when to stop.

    Attributes:
        pairs: the pairs to try.
        how: how the pairs follow from the name.
        pull_all_pairs: pull every pair instead of stopping at the first success.
        searched_registries: the search registries; None if they were not used or there are none.
    """

    pairs: tuple[PullRefPair, ...]
    how: How
    pull_all_pairs: bool = False
    searched_registries: tuple[str, ...] | None = None

    @property
    def used_search_registries(self) -> bool:
        """Whether the pairs depend on the search registries of registries.conf."""
        return self.how.kind == "search"

    def to_json(self) -> dict[str, Any]:
        """The goal as a JSON document."""
        searched = self.searched_registries
        return {
            "pairs": [pair.to_json() for pair in self.pairs],
            "pull_all_pairs": self.pull_all_pairs,
            "used_search_registries": self.used_search_registries,
            "searched_registries": None if searched is None else list(searched),
        }


def goal_from_name(name: str, facts: Facts, rules: NameRules) -> PullGoal:
    """Return the goal of ``transport:rest``, a full name or a short name (GOAL-001).

    Text that no transport can parse is tried as a name, whatever the error was.

    Raises:
        TowlineError: the text is invalid; within the step ``deciding-goal`` or
            ``deciding-short-name``.
    """
    try:
        source = parse_image_name(name, facts, rules)
    except TowlineError as transport_error:
        try:
            with step("deciding-short-name", name=name):
                return goal_from_possibly_unqualified_name(name, facts, rules)
        except TowlineError as error:
            raise _reported_error(transport_error, error, rules) from None
    with step("deciding-goal", name=name):
        return goal_from_image_reference(source, name, facts, rules)


def _reported_error(
    transport_error: TowlineError, name_error: TowlineError, rules: NameRules
) -> TowlineError:
    # GOAL-002: libpod always reports the error of the name
    has_transport = transport_error.code not in ("transport.missing", "transport.unknown")
    bad_name = name_error.code.startswith(("name.", "digest."))
    if rules.transport_error == "reported" and has_transport and bad_name:
        return transport_error
    return name_error


def goal_from_image_reference(
    source: ImageReference, name: str, facts: Facts, rules: NameRules
) -> PullGoal:
    """Return the goal of a source; `name` is the text that the user typed (GOAL-010).

    Raises:
        SourceError: an archive that must be read for its names cannot be read.
        InvalidNameError: a name in it cannot be a destination; nothing is pulled (GOAL-013).
    """
    from towline.transport.dir import DirReference  # short names do not need these
    from towline.transport.docker_archive import DockerArchiveReference
    from towline.transport.oci import OciReference
    from towline.transport.oci_archive import OciArchiveReference
    from towline.transport.tarball import TarballReference

    match source:
        case DockerArchiveReference():
            return _docker_archive_goal(source, facts, rules)
        case OciArchiveReference():
            return _oci_archive_goal(source, facts)
        case DirReference(path=path):
            # GOAL-016: localhost/ keeps docker.io from being added to the path
            return _single(source, LOCAL_REGISTRY + path if path[:1] == "/" else path, facts)
        case OciReference() | TarballReference() if rules.layout_names == "annotation":
            return _goal_named_by_path(source, facts)  # GOAL-020
        case _:
            return _single(source, name, facts)


def goal_from_possibly_unqualified_name(name: str, facts: Facts, rules: NameRules) -> PullGoal:
    """Return the goal of a name: one pair, or one for each search registry (GOAL-030).

    Raises:
        InvalidNameError: the name, or the name completed with a registry, is invalid; or it is
            ambiguous and registries.conf requires short names to be unambiguous.
        ConfigurationError: registries.conf is invalid; it is read for short names only.
    """
    parts = decompose(name, addresses=rules.address_hosts)
    if parts.has_registry:
        with step("parsing-source", name=name):
            source = docker.parse(f"//{name}", facts, rules)
        return PullGoal((_pair(source, name, facts),), How("full-name"))
    if rules.aliases and (alias := facts.alias(parts.unnormalized.name)) is not None:  # CONF-043
        tag, digest = parts.unnormalized.tag, parts.unnormalized.digest
        image = str(replace(parse_reference(alias.full_name), tag=tag, digest=digest))
        with step("parsing-source", name=image):
            source = docker.parse(f"//{image}", facts, rules)
        return _single(source, image, facts, How("alias", (alias.entry,)))
    search = facts.search_registries()
    pairs = []
    for registry in search.registries:
        image = str(parts.reference_with_registry(registry))
        with step("parsing-source", name=image):
            source = docker.parse(f"//{image}", facts, rules)
        pairs.append(pull_ref_pair(source, image, facts))
    candidates = list(dict.fromkeys(pair.image for pair in pairs))
    if rules.aliases and len(candidates) > 1 and (path := facts.enforced_by()) is not None:
        raise _ambiguous(parts, candidates, path)
    return PullGoal(
        tuple(pairs),
        How("search", search.entries),
        searched_registries=search.registries or None,
    )


def _ambiguous(parts: ImageParts, candidates: list[str], path: str) -> InvalidNameError:
    # CONF-046: towline does not prompt for one of the candidates
    short = parts.unnormalized
    first = parse_reference(candidates[0]).name
    return InvalidNameError(
        "name.ambiguous",
        name=str(short),
        candidates=candidates,
        path=path,
        line=f'"{short.name}" = "{first}"',
    )


def pull_ref_pair(source: ImageReference, destination: str, facts: Facts) -> PullRefPair:
    """Return a pair; ``localhost/`` is added to a destination without a registry (GOAL-003).

    A destination that is not a name (such as ``@<id>``) is not changed.  If the source reference
    has an image name, the image is stored under that name (GOAL-004).

    Raises:
        InvalidNameError: the destination cannot be a name in a store.
    """
    try:
        parts = decompose(destination)
    except TowlineError:
        pass
    else:
        if not parts.has_registry:
            destination = str(parts.reference_with_registry(LOCAL_REGISTRY))
    return _pair(source, destination, facts)


def _pair(source: ImageReference, destination: str, facts: Facts) -> PullRefPair:
    """A pair whose destination needs no registry."""
    source_name = source.docker_reference
    with step("parsing-destination", name=destination):
        if source_name is None:
            stored = parse_store_reference(destination, facts)
        else:
            stored = StoreReference(facts.store, source_name.tagged(), None)
    return PullRefPair(destination, source, stored)


def _single(
    source: ImageReference, destination: str, facts: Facts, how: How = _BY_TRANSPORT
) -> PullGoal:
    return PullGoal((pull_ref_pair(source, destination, facts),), how)


def _docker_archive_goal(
    source: DockerArchiveReference, facts: Facts, rules: NameRules
) -> PullGoal:
    if source.reference is not None and rules.archive_images == "all":
        return _single(source, str(source.reference), facts)
    if source.counted:
        return _counted_goal(source, facts)
    # GOAL-014: the whole location is the path, so a name after the path is part of the path
    images = facts.archive_images(source.within_transport)
    if rules.archive_images == "first":  # GOAL-011
        images = images[:1]
    if not images:
        return _single(source, f"@{facts.config_hex(source)}", facts)
    if len(images) == 1 and not images[0].names:
        return _single(source, f"@{facts.config_hex(source)}", facts)  # GOAL-012
    named = any(image.names for image in images)
    pairs = []
    for image in images:
        one = replace(source, index=image.index)
        names = image.names or (f"@{facts.config_hex(one)}",)
        pairs += [pull_ref_pair(one, name, facts) for name in names]
    how = _BY_ARCHIVE if named else _BY_TRANSPORT
    return PullGoal(tuple(pairs), how, pull_all_pairs=True)


def _counted_goal(source: DockerArchiveReference, facts: Facts) -> PullGoal:
    images = facts.archive_images(source.path)
    names = [name for image in images if image.index == source.index for name in image.names]
    if not names:  # GOAL-018; config_hex raises if the archive has no such image
        return _single(source, f"@{facts.config_hex(source)}", facts)
    pairs = tuple(pull_ref_pair(source, name, facts) for name in names)
    return PullGoal(pairs, _BY_ARCHIVE, pull_all_pairs=True)


def _oci_archive_goal(source: OciReference, facts: Facts) -> PullGoal:
    with step("loading-layout-name", source=image_name(source)):
        names = facts.layout_names(source.path, source.image, archive=True)
    if names:
        return _named_by_layout(source, names, facts)
    with step("hashing-unnamed"):
        image_id = facts.config_hex(source)
    return _single(source, f"@{image_id}", facts)  # GOAL-015


def _named_by_layout(source: OciReference, names: Sequence[str], facts: Facts) -> PullGoal:
    pairs = tuple(pull_ref_pair(source, name, facts) for name in names)
    return PullGoal(pairs, _BY_ARCHIVE, pull_all_pairs=len(pairs) > 1)  # GOAL-023


def _goal_named_by_path(source: OciReference | TarballReference, facts: Facts) -> PullGoal:
    from towline.transport.oci import OciReference

    words: Sequence[str] = ()
    if isinstance(source, OciReference):
        words = facts.layout_names(source.path, source.image, archive=False)
        if full := [name for name in words if ":" in name or "/" in name]:
            return _named_by_layout(source, full, facts)
        path = source.path
    else:
        path = source.files[0]
    local = f"{LOCAL_REGISTRY}/{path.lstrip('/')}"
    # A single word, mostly "latest", is a tag: other layouts have the same.
    destinations = [f"{local}:{word}" for word in words] or [local]
    try:
        pairs = tuple(pull_ref_pair(source, each, facts) for each in destinations)
        return PullGoal(pairs, _BY_TRANSPORT, pull_all_pairs=len(pairs) > 1)
    except TowlineError:
        # GOAL-021: an image whose path cannot be a name is stored without a name
        return _single(source, f"@{facts.config_hex(source)}", facts)
