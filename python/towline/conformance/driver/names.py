"""Operations on image names without a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.conformance.driver.session import Input, Operation, PartError, Session, text
from towline.errors import TowlineError
from towline.name.parts import ImageParts, decompose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.name.reference import Reference

__all__ = ["OPERATIONS"]


def _decompose(session: Session, given: Input) -> dict[str, Any]:
    parts = decompose(text(given, "name"), addresses=session.rules.names.address_hosts)
    return {
        "has_registry": parts.has_registry,
        "unnormalized": str(parts.unnormalized),
        **_parts_of(parts.unnormalized),
    }


def _reference_with_registry(session: Session, given: Input) -> dict[str, Any]:
    return _named(_decomposed(session, given).reference_with_registry(text(given, "registry")))


def _normalized_reference(session: Session, given: Input) -> dict[str, Any]:
    return _named(_decomposed(session, given).normalized_reference())


def _decomposed(session: Session, given: Input) -> ImageParts:
    try:
        return decompose(text(given, "name"), addresses=session.rules.names.address_hosts)
    except TowlineError as error:
        raise PartError("decompose", error) from None


def _named(reference: Reference) -> dict[str, Any]:
    return {"reference": str(reference), **_parts_of(reference)}


def _parts_of(reference: Reference) -> dict[str, Any]:
    return {
        "domain": reference.domain,
        "path": reference.path,
        "tag": reference.tag,
        "digest": None if reference.digest is None else str(reference.digest),
    }


OPERATIONS: Mapping[str, Operation] = {
    "decompose": _decompose,
    "normalized_reference": _normalized_reference,
    "reference_with_registry": _reference_with_registry,
}
