"""Operations on registries.conf, and the configuration files of all cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.config.load import load_registries
from towline.config.locations import Locations
from towline.errors import step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from towline.config.registries import Registries, Registry
    from towline.conformance.driver.session import Input, Operation, Session

__all__ = ["OPERATIONS", "configured", "registries_of", "write"]


def _get_registries(session: Session, given: Input) -> dict[str, Any]:
    registries = registries_of(session, configured(session, given))
    return {
        # Go does not distinguish an empty list from no list.
        "search": list(registries.search_registries()) or None,
        "insecure": list(registries.insecure_registries()) or None,
        "blocked": list(registries.blocked_registries()) or None,
    }


def _find_registry(session: Session, given: Input) -> dict[str, Any]:
    locations = configured(session, given)
    found = load_registries(locations, session.rules.config).find(given["ref"])
    return {"registry": None if found is None else _registry(found)}


def _registry(registry: Registry) -> dict[str, Any]:
    return {
        "url": registry.location,
        "prefix": registry.prefix,
        "search": registry.search,
        "insecure": registry.insecure,
        "blocked": registry.blocked,
        "mirrors": [
            {"url": mirror.location, "insecure": mirror.insecure} for mirror in registry.mirrors
        ],
    }


def registries_of(session: Session, locations: Locations) -> Registries:
    """The registries of registries.conf; errors have the prefix of podman's caller."""
    with step("reading-registries-conf"):
        return load_registries(locations, session.rules.config)


def configured(session: Session, given: Input) -> Locations:
    """Write the configuration files of a case and return their locations."""
    environ = {"REGISTRIES_CONFIG_PATH": str(session.registries_conf)}
    match given.get("registries_conf_env"):
        case "unset":
            environ.clear()
        case "empty":
            environ["REGISTRIES_CONFIG_PATH"] = ""
        case "directory":
            environ["REGISTRIES_CONFIG_PATH"] = str(session.root)
        case _:
            pass
    write(session.registries_conf, given.get("registries_conf"))
    write(session.default_registries_conf, given.get("default_registries_conf"))
    run, var = str(session.files / "run"), str(session.files / "var")
    return Locations(environ, str(session.etc), run, uid=0, var=var)


def write(file: Path, text: str | None) -> None:
    """Write the text to the file; None removes the file."""
    if text is None:
        file.unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))


OPERATIONS: Mapping[str, Operation] = {
    "find_registry": _find_registry,
    "get_registries": _get_registries,
}
