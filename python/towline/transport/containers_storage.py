"""``containers-storage:[driver@root+run]name@id``, and the references of destinations.

A destination of a pull is a store reference without the transport's name.  The two differ only in
how a leading ``[...]`` is handled.  (TRANS-090 to TRANS-099)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError, step
from towline.frozen import frozen
from towline.name.digest import is_digest
from towline.name.reference import Reference, parse_normalized
from towline.transport.facts import Facts, StoreIdentity

if TYPE_CHECKING:
    from towline.rules.names import NameRules

__all__ = ["NAME", "StoreReference", "parse", "parse_store_reference", "valid_scope"]

NAME = "containers-storage"

_ID = re.compile(r"[0-9a-f]{64}")
# TRANS-097: the original opens the store while it parses the name, so the driver must exist
_DRIVERS = ("aufs", "btrfs", "devicemapper", "overlay", "overlay2", "vfs", "zfs")
_TRUNCATED_ID = re.compile(r"[0-9a-f]{3,64}")


@frozen
class StoreReference:
    """An image in a store: a name, an ID, or both."""

    transport: ClassVar[str] = NAME
    store: StoreIdentity
    reference: Reference | None
    id: str | None

    @property
    def name_and_id(self) -> str:
        """The reference without its store: ``name:tag@id``."""
        name = "" if self.reference is None else str(self.reference)
        return name + (f"@{self.id}" if self.id else "")

    @property
    def within_transport(self) -> str:
        """``[driver@root+run]name:tag@id``."""
        return f"{self.store}{self.name_and_id}"

    @property
    def docker_reference(self) -> Reference | None:
        """The name."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """Store, name and ID."""
        return self._store_scope + self.name_and_id

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The name's scopes, narrowest first, then the store with and without its driver.

        TRANS-096.
        """
        scopes: list[str] = []
        if self.reference is not None:
            if self.id:
                scopes.append(str(self.reference))
            if self.reference.digest is not None and self.reference.tag is not None:
                scopes.append(f"{self.reference.name}:{self.reference.tag}")
            scopes += self.reference.namespaces()
        names = tuple(self._store_scope + scope for scope in scopes)
        return (*names, self._store_scope, f"[{self.store.graph_root}]")

    @property
    def _store_scope(self) -> str:
        return f"[{self.store.driver}@{self.store.graph_root}]"


def parse(text: str, facts: Facts, rules: NameRules) -> StoreReference:
    """Parse ``[spec]name``, where the spec is ``[driver@]root[+run][:options]`` (TRANS-091).

    Raises:
        InvalidNameError: ``transport.store_*`` or an error of the name.
    """
    store = facts.store
    if not text:
        raise InvalidNameError("transport.store_empty", text=text)
    if text.startswith("["):
        spec, bracket, text = text[1:].partition("]")
        if not bracket or not spec:
            raise InvalidNameError("transport.store_reference", text=spec)
        store = _parse_spec(spec, store)
    return parse_store_reference(text, facts, store=store)


def _parse_spec(spec: str, default: StoreIdentity) -> StoreIdentity:
    driver, at, rest = spec.partition("@")
    if not at:
        driver, rest = default.driver, spec
    elif not driver or not rest:
        raise InvalidNameError("transport.store_reference", text=spec)
    if driver not in _DRIVERS:
        raise InvalidNameError("transport.store_driver", driver=driver, known=_DRIVERS)
    rest = rest.partition(":")[0]
    root, _, run = rest.partition("+")
    if not root.startswith("/") or (run and not run.startswith("/")):
        raise InvalidNameError("transport.store_relative", text=spec)
    return StoreIdentity(driver, root, run or default.run_root)


def parse_store_reference(
    text: str, facts: Facts, *, store: StoreIdentity | None = None
) -> StoreReference:
    """Parse a name in a store, with an ID, a digest or a truncated ID after ``@`` (TRANS-092).

    Without `store` the text is the reference of a destination: a leading ``[...]`` is ignored
    (TRANS-093).

    Raises:
        InvalidNameError: ``transport.store_*`` or an error of the name.
    """
    if not text:
        raise InvalidNameError("transport.store_empty_reference", text=text)
    if store is None:
        store = facts.store
        if text.startswith("["):
            _, bracket, rest = text.partition("]")
            if not bracket:
                raise InvalidNameError("transport.store_unclosed", text=text)
            text = rest
            if not text:
                raise InvalidNameError("transport.store_reference", text=text)
    name, image_id = _split_id(text, facts)
    if not name:
        return StoreReference(store, None, image_id)
    with step("parsing-stored-name", name=name):
        reference = parse_normalized(name).tagged()
    return StoreReference(store, reference, image_id)


def _split_id(text: str, facts: Facts) -> tuple[str, str | None]:
    name, at, last = text.rpartition("@")
    if at:
        if not last:
            raise InvalidNameError("transport.store_trailing_at", text=text)
        if is_digest(last):
            return text, None
        image_id = last if _ID.fullmatch(last) else _expanded(last, facts)
        if image_id is None:
            raise InvalidNameError("transport.store_id", text=last)
        return name, image_id
    # TRANS-094: a reference without @ and : may be a truncated ID
    if ":" not in text and (image_id := _expanded(text, facts)):
        return "", image_id
    return text, None


def _expanded(prefix: str, facts: Facts) -> str | None:
    return facts.image_id(prefix) if _TRUNCATED_ID.fullmatch(prefix) else None


def valid_scope(scope: str) -> bool:
    """Whether a scope starts with ``[root]`` or ``[driver@root]``, root absolute (POLICY-011)."""
    if not scope.startswith("["):
        return False
    spec, bracket, _ = scope[1:].partition("]")
    return bool(bracket) and spec.rpartition("@")[2].startswith("/")
