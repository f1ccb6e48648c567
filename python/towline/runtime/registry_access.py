"""Opens registry sources according to the configuration.

Determines the endpoints of a name, and the credentials and certificates for each endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.config.credentials import AuthLookup, explain_credentials, find_credentials
from towline.config.endpoints import Endpoint, endpoints_of
from towline.config.load import find_certificates
from towline.config.locations import auth_file_paths
from towline.errors import TowlineError, step
from towline.frozen import frozen
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.credentials import Login
from towline.source.mirrored import MirroredSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.cancel import CancelToken
    from towline.config.registries import Registries
    from towline.errors import Warn
    from towline.registry.endpoint_log import EndpointLog
    from towline.runtime.options import Options
    from towline.source.docker import DockerSource
    from towline.source.protocol import Source
    from towline.transport.docker import DockerReference

__all__ = ["RegistryAccess"]


@frozen
class RegistryAccess:
    """Opens registry sources under the options of one call.

    Attributes:
        options: the options of the call.
        cancel: ends every request.
        registries: returns the parsed registries.conf.
        warn: called with each error that is only a warning.
    """

    options: Options
    cancel: CancelToken
    registries: Callable[[], Registries]
    warn: Warn

    def open(self, reference: DockerReference, log: EndpointLog) -> Source:
        """Return the source of an image; no request is sent yet.

        Raises:
            TowlineError: registries.conf is needed and invalid; in the edition ``libpod-1.3``
                also if an auth file or certificate is.
        """
        if not self.options.rules.config.mirrors:  # CONF-040
            insecure = self._insecure(reference.reference.name)
            return self._open_endpoint(reference, Endpoint(reference.reference), insecure=insecure)
        with step("loading-registries"):
            registries = self.registries()
        slots = ConnectionSlots()  # shared by all endpoints of the image
        return MirroredSource(
            reference,
            endpoints_of(registries, reference.reference),
            lambda endpoint: self._open_endpoint(
                reference,
                endpoint,
                insecure=self._overridden(endpoint.insecure),
                helpers=registries.credential_helpers,
                slots=slots,
            ),
            self.options.rules.copying.indexes,
            log,
        )

    def credential_lookups(
        self, reference: DockerReference, endpoint: Endpoint
    ) -> tuple[AuthLookup, ...]:
        """Return the lookups of credentials for one endpoint, each with its result."""
        options = self.options
        if self._given_for(reference, endpoint):
            given = options.auth
            name = "" if given is None else given.username
            return (AuthLookup("--creds", "found", username=name),)
        helpers = self.registries().credential_helpers if options.rules.config.mirrors else ()
        name = endpoint.reference.name
        return explain_credentials(
            options.locations,
            options.rules.config,
            name,
            options.authfile,
            helpers=helpers,
            cancel=self.cancel,
        )

    def _open_endpoint(
        self,
        reference: DockerReference,
        endpoint: Endpoint,
        *,
        insecure: bool,
        helpers: tuple[str, ...] = (),
        slots: ConnectionSlots | None = None,
    ) -> DockerSource:
        from towline.source import docker  # slow to import: HTTP

        options = self.options
        location = endpoint.reference
        access = docker.DockerAccess(
            insecure=insecure,
            login=self._login(reference, endpoint, helpers),
            certificates=find_certificates(
                options.locations,
                options.rules.config,
                location.domain,
                options.cert_dir,
                self.warn,
            ),
            rules=options.rules.registry,
            limits=options.rules.limits,
            typeless=options.rules.copying.typeless,
            cancel=self.cancel,
            warn=self.warn,
            location=None if location == reference.reference else location,
            timeouts=options.timeouts,
            slots=slots or ConnectionSlots(),
        )
        return docker.open_source(reference, access)

    def _login(
        self, reference: DockerReference, endpoint: Endpoint, helpers: tuple[str, ...]
    ) -> Login:
        options, rules = self.options, self.options.rules.config
        if self._given_for(reference, endpoint):
            return Login(options.auth)
        lookups: list[AuthLookup] = []
        problems: list[TowlineError] = []

        def add_problem(problem: TowlineError) -> None:
            problems.append(problem)
            self.warn(problem)

        credentials = find_credentials(
            options.locations,
            rules,
            endpoint.reference.name,
            options.authfile,
            helpers=helpers,
            lookups=lookups,
            warn=add_problem if rules.broken_auth == "warn" else None,
            cancel=self.cancel,
        )
        origin = ""
        if credentials is not None:
            origin = lookups[-1].helper or lookups[-1].path
        paths = [path for path, *_ in auth_file_paths(options.locations, rules, options.authfile)]
        unusable = {problem.facts.get("path") for problem in problems}
        authfile = next((path for path in paths if path not in unusable), paths[0])
        return Login(credentials, origin, tuple(problems), authfile)

    def _given_for(self, reference: DockerReference, endpoint: Endpoint) -> bool:
        # AUTH-010: the caller's credentials are for the host in the name, not for mirrors
        named = reference.reference.domain
        return self.options.auth is not None and endpoint.reference.domain == named

    def _overridden(self, insecure: bool) -> bool:
        verify = self.options.tls_verify
        return insecure if verify is None else not verify  # CONF-022

    def _insecure(self, name: str) -> bool:
        if self.options.tls_verify is not None:  # CONF-022: registries.conf is not read then
            return not self.options.tls_verify
        with step("loading-registries"):
            registries = self.registries()
        found = registries.find(name)
        return found is not None and found.insecure
