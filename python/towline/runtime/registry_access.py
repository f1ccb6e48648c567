"""How one call speaks to registries: from the configuration to a source that can be asked.

Which places there are for a name, who we are for each of them, and which certificates count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.config.auth_json import Credentials
from towline.config.credentials import AuthLook, explain_credentials, find_credentials
from towline.config.endpoints import Endpoint, endpoints_of
from towline.config.load import find_certificates
from towline.config.registries import Registries
from towline.errors import step
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.endpoint_log import EndpointLog
from towline.runtime.options import Options
from towline.source.mirrored import MirroredSource
from towline.source.protocol import Source
from towline.transport.docker import DockerReference

if TYPE_CHECKING:
    from towline.source.docker import DockerSource

__all__ = ["RegistryAccess"]


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """The choices of a call, for any registry.

    Attributes:
        registries: reads registries.conf, where it is needed.
    """

    options: Options
    registries: Callable[[], Registries]

    def open(self, reference: DockerReference, log: EndpointLog) -> Source:
        """The source of an image; no registry is asked yet.

        Raises:
            TowlineError: registries.conf, where it is needed and cannot be read; in the edition
                of 2019 also an auth file or certificate.
        """
        if not self.options.rules.mirrors:  # CONF-040
            place = Endpoint(reference.reference)
            return self._dial(reference, place, insecure=self._insecure(reference.reference.name))
        with step("loading-registries"):
            registries = self.registries()
        slots = ConnectionSlots()  # one image has so many connections, wherever it comes from
        return MirroredSource(
            reference,
            endpoints_of(registries, reference.reference),
            lambda endpoint: self._dial(
                reference,
                endpoint,
                insecure=self._overruled(endpoint.insecure),
                helpers=registries.credential_helpers,
                slots=slots,
            ),
            self.options.rules,
            log,
        )

    def looks(self, reference: DockerReference, endpoint: Endpoint) -> tuple[AuthLook, ...]:
        """Where the credentials for one place are looked for, and what comes of it."""
        options = self.options
        if self._given_for(reference, endpoint):
            given = options.credentials
            name = "" if given is None else given.username
            return (AuthLook("--creds", "found", username=name),)
        helpers = self.registries().credential_helpers if options.rules.mirrors else ()
        place = endpoint.reference.name
        return explain_credentials(
            options.locations, options.rules, place, options.authfile, helpers=helpers
        )

    def _dial(
        self,
        reference: DockerReference,
        endpoint: Endpoint,
        *,
        insecure: bool,
        helpers: tuple[str, ...] = (),
        slots: ConnectionSlots | None = None,
    ) -> DockerSource:
        from towline.source import docker  # heavy: HTTP

        options = self.options
        place = endpoint.reference
        access = docker.DockerAccess(
            insecure=insecure,
            credentials=self._credentials(reference, endpoint, helpers),
            certificates=find_certificates(
                options.locations, options.rules, place.domain, options.cert_dir
            ),
            rules=options.rules,
            cancel=options.cancel,
            location=None if place == reference.reference else place,
            timeouts=options.timeouts,
            slots=slots or ConnectionSlots(),
        )
        return docker.open_source(reference, access)

    def _credentials(
        self, reference: DockerReference, endpoint: Endpoint, helpers: tuple[str, ...]
    ) -> Credentials | None:
        options = self.options
        if self._given_for(reference, endpoint):
            return options.credentials
        found = find_credentials(
            options.locations,
            options.rules,
            endpoint.reference.name,
            options.authfile,
            helpers=helpers,
        )
        return None if found is None else found[0]

    def _given_for(self, reference: DockerReference, endpoint: Endpoint) -> bool:
        # AUTH-010: what the caller gave is for the host that the caller named
        named = reference.reference.domain
        return self.options.credentials is not None and endpoint.reference.domain == named

    def _overruled(self, insecure: bool) -> bool:
        verify = self.options.tls_verify
        return insecure if verify is None else not verify  # CONF-022

    def _insecure(self, name: str) -> bool:
        if self.options.tls_verify is not None:  # CONF-022: registries.conf is then not even read
            return not self.options.tls_verify
        with step("loading-registries"):
            registries = self.registries()
        found = registries.find(name)
        return found is not None and found.insecure
