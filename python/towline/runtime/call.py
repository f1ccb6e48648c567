"""One call of a runtime: its hooks, and what it reads from its environment, each thing once."""

from __future__ import annotations

from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.errors import step
from towline.frozen import frozen, replace
from towline.image.instances import on_machine
from towline.image.platform import Platform, host_platform
from towline.progress import BlobProgress, Progress, TextWriter
from towline.runtime.arguments import typed
from towline.runtime.disk_facts import DiskFacts
from towline.runtime.sources import Sources
from towline.transport.docker import DockerReference
from towline.warning_log import WarningLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.config.registries import Registries
    from towline.copying.copy_image import Copying
    from towline.copying.reading import Reading
    from towline.errors import TowlineError
    from towline.events import Event
    from towline.goal import PullGoal
    from towline.image.manifest import RawManifest
    from towline.registry.endpoint_log import EndpointLog
    from towline.runtime.options import Options
    from towline.runtime.registry_access import RegistryAccess
    from towline.source.archive_cache import ArchiveCache
    from towline.source.protocol import Source
    from towline.store.protocol import ImageStore
    from towline.transport import ImageReference
    from towline.trust.policy_json import Policy

__all__ = ["Call", "Hooks"]


@frozen
class Hooks:
    """The token, the writer and the callbacks of one call of a runtime.

    Attributes:
        cancel: ends the call.
        writer: the progress text is written to it.
        on_progress: called with the state of each blob, from any thread, one call at a time.
        on_event: called with each event, after it happened.
    """

    cancel: CancelToken | None = None
    writer: TextWriter | None = None
    on_progress: Callable[[BlobProgress], None] | None = None
    on_event: Callable[[Event], None] | None = None

    def __post_init__(self) -> None:
        """Refuse arguments of another type before anything is done.

        Raises:
            TypeError: an argument has another type.
        """
        typed("cancel", self.cancel, CancelToken, NoneType)
        for name in ("on_progress", "on_event"):
            hook = getattr(self, name)
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} must be a function, not {type(hook).__name__}")
        if self.writer is not None and not hasattr(self.writer, "write"):
            raise TypeError(f"writer must have a method write, not {type(self.writer).__name__}")


class Call:
    """One call of a runtime.

    Everything is read when it is first used, so that an error in a file affects only those calls
    that need the file.  The modules for it are imported only then.

    Attributes:
        store: the store that takes the images.
        options: the options of the call.
        cancel: ends the call.
        progress: where progress is reported.
        warnings: collects the errors that do not end the call.
    """

    def __init__(
        self,
        store: ImageStore,
        options: Options,
        hooks: Hooks,
        cancel: CancelToken,
        archives: ArchiveCache,
        cache: dict[str, Registries],
        open_source: Callable[[ImageReference], Source | None] | None = None,
    ) -> None:
        """Create a call; nothing is read yet.

        Args:
            store: the store that takes the images.
            options: the options of the call.
            hooks: the token, the writer and the callbacks of the caller.
            cancel: ends the call; set if the token of the caller is.
            archives: the archives that are open during the call.
            cache: the configurations that the runtime has read, by path (CONF-009).
            open_source: opens the caller's own sources.
        """
        self.store = store
        self.options = options
        self.cancel = cancel
        self.progress = Progress(options.rules.wording, hooks.writer, hooks.on_progress)
        self.warnings = WarningLog(options.rules.wording)
        self._hooks = hooks
        self._archives = archives
        self._cache = cache
        self._open_source = open_source

    def send_event(self, name: str) -> None:
        """Send the event of a pull with this name."""
        if self._hooks.on_event is not None:
            from towline.events import Event

            self._hooks.on_event(Event("image", "pull", name))

    @cached_property
    def registries(self) -> Registries:
        """The parsed registries.conf.

        Raises:
            TowlineError: it cannot be read or is invalid.
        """
        from towline.config.load import load_registries

        options = self.options
        registries = load_registries(
            options.locations, options.rules.config, options.registries_conf, self._cache
        )
        for error in registries.misplaced:
            self.warnings.warn(error)
        return registries

    @cached_property
    def policy(self) -> tuple[Policy, str]:
        """The signature policy and its origin; raises as `load_policy`."""
        from towline.runtime.policy import load_policy

        options = self.options
        return load_policy(options.locations, options.rules, options.policy)

    @cached_property
    def platform(self) -> Platform:
        """The platform by which an instance of a list is selected (PLAT-001)."""
        wanted, host = self.options.platform, host_platform()
        return host if wanted is None else on_machine(wanted, host)

    @cached_property
    def access(self) -> RegistryAccess:
        """Opens the sources of images in registries."""
        from towline.runtime.registry_access import RegistryAccess

        return RegistryAccess(
            self.options, self.cancel, lambda: self.registries, self.warnings.warn
        )

    @cached_property
    def sources(self) -> Sources:
        """Opens the sources of images."""
        return Sources(
            self.options.rules,
            archives=self._archives,
            platform=self.options.platform,
            docker=self._open_docker,
            custom=self._open_source,
            stop=self.cancel.stop,
        )

    @cached_property
    def facts(self) -> DiskFacts:
        """The facts from which a goal is built."""
        return DiskFacts(
            store=self.store.identity,
            find_id=self.store.find_id,
            registries=self._registries_for_names,
            rules=self.options.rules,
            sources=self.sources,
            platform=lambda: self.platform,
        )

    def registries_of(self, goal: PullGoal) -> Registries | None:
        """Return the parsed registries.conf; None if it has no effect on the goal's endpoints."""
        in_registry = any(isinstance(pair.source, DockerReference) for pair in goal.pairs)
        mirrors = self.options.rules.config.mirrors
        if not mirrors or not (in_registry or goal.used_search_registries):
            return None
        return self._registries_for_names()

    def reading(self, *, name_source: bool, image: str = "") -> Reading:
        """Return the reader of manifests.

        Args:
            name_source: add the source's name to errors.
            image: the name of the image, for warnings.
        """
        from towline.copying.reading import Reading

        rules, limits = self.options.rules.copying, self.options.rules.limits
        store = self.store if rules.known_documents else None
        return Reading(
            rules,
            limits,
            self.platform,
            name_source=name_source,
            store=store,
            warn=self._warn_about(image),
        )

    def copying(self, allow: Callable[[Source, RawManifest], None], image: str) -> Copying:
        """Return the settings under which the call copies an image.

        Args:
            allow: checks the policy.
            image: the name of the image, for warnings.
        """
        from towline.copying.copy_image import Copying

        options = self.options
        return Copying(
            destination=self.store,
            reading=self.reading(name_source=True, image=image),
            rules=options.rules.copying,
            progress=self.progress,
            cancel=self.cancel,
            allow=allow,
            warn=self._warn_about(image),
            require_platform=options.platform is not None and not options.allow_other_platform,
            remove_signatures=options.remove_signatures,
            verify_diff_ids=options.verify_diff_ids,
        )

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
            auth=None,
            cert_dir=None,
            tls_verify=None,
        )
        return Call(
            self.store,
            bare,
            self._hooks,
            self.cancel,
            self._archives,
            self._cache,
            self._open_source,
        )

    def _warn_about(self, image: str) -> Callable[[TowlineError], None]:
        return lambda error: self.warnings.warn(error.during("pulling", image=image))

    def _open_docker(self, reference: DockerReference, log: EndpointLog) -> Source:
        return self.access.open(reference, log)

    def _registries_for_names(self) -> Registries:
        with step("reading-registries-conf"):
            return self.registries
