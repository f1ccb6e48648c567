"""One call of a runtime, and the objects that are shared during the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.config.credentials import AuthLookup
from towline.config.endpoints import Endpoint
from towline.config.load import RegistriesCache, load_registries
from towline.config.registries import Registries
from towline.copying.reading import Reading
from towline.errors import step
from towline.goal import PullGoal
from towline.image.platform import host_platform
from towline.progress import Progress
from towline.registry.endpoint_log import EndpointLog
from towline.runtime.disk_facts import DiskFacts
from towline.runtime.options import Options
from towline.runtime.registry_access import RegistryAccess
from towline.runtime.sources import Sources
from towline.source.archive_cache import ArchiveCache
from towline.source.protocol import Source
from towline.store.protocol import Store
from towline.transport import ImageReference
from towline.transport.docker import DockerReference
from towline.transport.facts import Facts

if TYPE_CHECKING:
    from towline.runtime.explain import Candidate

__all__ = ["Call"]


class Call:
    """One call of a runtime.

    Attributes:
        store: the store that takes the images.
        options: the choices of the call, with its own cancel token.
        progress: where progress is reported.
    """

    def __init__(
        self,
        store: Store,
        options: Options,
        registries: RegistriesCache,
        progress: Progress,
        archives: ArchiveCache,
        open_source: Callable[[ImageReference], Source | None] | None = None,
    ) -> None:
        """A call.

        Args:
            store: the store that takes the images.
            options: the choices of the call.
            registries: the configurations that the runtime has read.
            progress: where progress is reported.
            archives: the archives that are open during the call.
            open_source: opens the caller's own sources.
        """
        self.store = store
        self.options = options
        self.progress = progress
        self._cache = registries
        self._archives = archives
        self._open_source = open_source
        self._registries: Registries | None = None

    def facts(self) -> Facts:
        """Return the facts from which a goal is built."""
        options = self.options
        return DiskFacts(
            store=self.store.identity,
            find_id=self.store.find_id,
            search_registries=self._search_registries,
            rules=options.rules,
            archives=self._archives,
            platform=options.platform,
            open_source=self.sources().open,
            registries=self._read_registries,
        )

    def registries_of(self, goal: PullGoal) -> Registries | None:
        """Return the parsed registries.conf; None if it has no effect on the goal's endpoints."""
        in_registry = any(isinstance(pair.source, DockerReference) for pair in goal.pairs)
        mirrors = self.options.rules.config.mirrors
        if not mirrors or not (in_registry or goal.used_search_registries):
            return None
        return self._read_registries()

    def credential_lookups(
        self, candidate: Candidate, endpoint: Endpoint
    ) -> tuple[AuthLookup, ...]:
        """Return the lookups of credentials for one endpoint, each with its result."""
        source = candidate.pair.source
        assert isinstance(source, DockerReference)  # no other source has endpoints
        access = RegistryAccess(self.options, self._load_registries)
        return access.credential_lookups(source, endpoint)

    def sources(self, log: EndpointLog | None = None) -> Sources:
        """Return the opener of the call's sources; `log` records the endpoints that they use."""
        access = RegistryAccess(self.options, self._load_registries)
        uses = log or EndpointLog()
        return Sources(
            self.options.rules,
            self._archives,
            self.options.platform,
            lambda reference: access.open(reference, uses),
            self._open_source,
            self.options.cancel.stop,
        )

    def reading(self, *, name_source: bool) -> Reading:
        """Return the reader of manifests; `name_source` adds the source's name to errors."""
        platform = self.options.platform or host_platform()
        store = self.store if self.options.rules.copying.known_documents else None
        rules, limits = self.options.rules.copying, self.options.rules.limits
        return Reading(rules, limits, platform, name_source=name_source, store=store)

    def for_label_check(self) -> Call:
        """Return a call with the options that apply to the label check (LABEL-003)."""
        options = self.options
        if options.rules.copying.label_context == "call":
            return self
        environ = {
            key: value
            for key, value in options.locations.environ.items()
            if key not in options.rules.config.registries_conf_variables
        }
        bare = replace(
            options,
            locations=replace(options.locations, environ=environ),
            registries_conf=None,
            credentials=None,
            cert_dir=None,
            tls_verify=None,
        )
        return Call(self.store, bare, self._cache, self.progress, self._archives, self._open_source)

    def _search_registries(self) -> tuple[str, ...]:
        return self._read_registries().search_registries()

    def _read_registries(self) -> Registries:
        with step("reading-registries-conf"):
            return self._load_registries()

    def _load_registries(self) -> Registries:
        if self._registries is None:
            options = self.options
            self._registries = load_registries(
                options.locations, options.rules.config, options.registries_conf, self._cache
            )
        return self._registries
