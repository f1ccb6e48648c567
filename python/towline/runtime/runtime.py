"""Running a goal: its pairs are tried in order, and the first success ends it or all are pulled.

(PULL-001 to PULL-009, EVENT-001 to EVENT-003)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.config.credentials import AuthLook
from towline.config.endpoints import Endpoint
from towline.config.load import RegistriesCache, load_registries
from towline.config.registries import Registries
from towline.copying.copy_image import CopiedImage, Copying
from towline.copying.label import check_label
from towline.copying.reading import Reading
from towline.errors import PullCancelledError, PullFailedError, TowlineError, step
from towline.events import Event
from towline.goal import PullGoal, PullRefPair, goal_from_image_reference, goal_from_name
from towline.image.manifest import RawManifest
from towline.image.platform import host_platform
from towline.progress import Progress, TextWriter
from towline.registry.endpoint_log import EndpointLog
from towline.runtime.disk_facts import DiskFacts
from towline.runtime.options import Options
from towline.runtime.registry_access import RegistryAccess
from towline.runtime.results import Attempt, PullResult
from towline.runtime.sources import Sources
from towline.source.archive_cache import ArchiveCache
from towline.source.protocol import Source
from towline.store.protocol import Store
from towline.transport import TRANSPORTS, ImageReference, image_name, parse_image_name
from towline.transport.docker import DockerReference
from towline.transport.facts import Facts
from towline.trust.evaluate import evaluate
from towline.trust.load import load_policy
from towline.trust.policy_json import Policy

if TYPE_CHECKING:
    from towline.runtime.explain import Candidate, Explanation

__all__ = ["Runtime"]

_LOG = logging.getLogger("towline")
_LOG.addHandler(logging.NullHandler())  # who wants the log, asks for it
_TOLD_WHEN_TRIED = ("docker", "atomic")  # TEXT-001


class Runtime:
    """A store and the choices under which images are pulled into it.

    One runtime may be used from many threads, and for any number of pulls.
    """

    def __init__(
        self,
        store: Store,
        options: Options | None = None,
        *,
        open_source: Callable[[ImageReference], Source | None] | None = None,
    ) -> None:
        """A runtime.

        Args:
            store: takes the images.
            options: the choices; None for the usual ones.
            open_source: opens sources of the caller's own, such as images that are kept in memory
                or behind another protocol; None from it leaves a reference to towline.
        """
        self.store = store
        self.options = Options() if options is None else options
        self._open_source = open_source
        self._registries = RegistriesCache()

    def resolve(self, name: str) -> PullGoal:
        """What a pull of `name` would try; no registry is asked.

        Raises:
            TowlineError: the name, or what must be read to understand it.
        """
        with self._call(None) as call:
            return goal_from_name(name, call.facts(), self.options.rules)

    def explain(self, name: str) -> Explanation:
        """`resolve` with its reasons: which file and table decided, and who would be asked.

        Raises:
            TowlineError: as `resolve`; and registries.conf, where it cannot be read.
        """
        from towline.runtime.explain import explain_goal

        with self._call(None) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules)
            return explain_goal(name, goal, call.registries_of(goal))

    def explain_auth(self, name: str) -> tuple[tuple[str, tuple[AuthLook, ...]], ...]:
        """Where credentials for each place of a name are looked for, and what comes of it.

        Nothing of a secret is in the answer.  Credential helpers are run.

        Raises:
            TowlineError: as `explain`.
        """
        from towline.runtime.explain import explain_goal

        with self._call(None) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules)
            explained = explain_goal(name, goal, call.registries_of(goal))
            return tuple(
                (endpoint.reference.name, call.looks(candidate, endpoint))
                for candidate in explained.candidates
                for endpoint in candidate.endpoints
            )

    def pull(
        self, name: str, label: str | None = None, writer: TextWriter | None = None
    ) -> PullResult:
        """Pull what a user named: a short name, a full one, or ``transport:rest`` (PULL-001).

        Args:
            name: as the user wrote it.
            label: refuse images whose config has no such label.
            writer: gets the progress text.

        Raises:
            PullFailedError: nothing was pulled; ``facts["errors"]`` has the reasons.
            TowlineError: whatever stopped the call before or between the pairs.
        """
        return self._pull(name, label, writer, self.options.cancel)

    def pull_reference(
        self, reference: ImageReference | str, writer: TextWriter | None = None
    ) -> PullResult:
        """Pull a source whose transport is known; no label is asked for (PULL-002).

        Raises:
            PullFailedError: nothing was pulled.
            TowlineError: as `pull`.
        """
        rules = self.options.rules
        with self._call(writer) as call:
            facts = call.facts()
            if isinstance(reference, str):
                reference = parse_image_name(reference, facts, rules)
            name = image_name(reference)
            with step("deciding-goal", name=name):
                goal = goal_from_image_reference(reference, name, facts, rules)
            return call.run(goal, name, None)

    async def pull_async(
        self, name: str, label: str | None = None, writer: TextWriter | None = None
    ) -> PullResult:
        """`pull` in a thread of its own; cancelling the task cancels this pull and no other."""
        import asyncio  # heavy, and most callers do not wait like this

        with self.options.cancel.branch() as cancel:
            work = asyncio.ensure_future(asyncio.to_thread(self._pull, name, label, writer, cancel))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                cancel.cancel()
                await asyncio.wait([work])
                work.exception()  # the thread has said all that there is to say
                raise

    def _pull(
        self, name: str, label: str | None, writer: TextWriter | None, cancel: CancelToken
    ) -> PullResult:
        with self._call(writer, cancel) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules)
            return call.run(goal, name, label)

    @contextmanager
    def _call(
        self, writer: TextWriter | None, cancel: CancelToken | None = None
    ) -> Iterator[_Call]:
        """One call; errors that leave it are told in the words of the edition."""
        rules = self.options.rules
        progress = Progress(rules.wording, writer, self.options.on_progress)
        with (cancel or self.options.cancel).branch() as branch:
            options = replace(self.options, cancel=branch)
            try:
                branch.raise_if_cancelled()
                with ArchiveCache(branch.stop) as archives:
                    yield _Call(
                        self.store, options, self._registries, progress, archives, self._open_source
                    )
            except TowlineError as error:
                # What fails once all is being stopped fails because of that.
                told = PullCancelledError("cancelled.by_caller") if branch.cancelled else error
                told.wording = rules.wording
                raise told from error.__cause__


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a runtime."""

    store: Store
    options: Options
    registries: RegistriesCache
    progress: Progress
    archives: ArchiveCache
    open_source: Callable[[ImageReference], Source | None] | None = None
    read: list[Registries] = field(default_factory=list)  # once a call, where it is needed

    def facts(self) -> Facts:
        """The world, for the building of the goal."""
        options = self.options
        return DiskFacts(
            store=self.store.identity,
            find_id=self.store.find_id,
            search_registries=self._search_registries,
            rules=options.rules,
            archives=self.archives,
            platform=options.platform,
            open_source=self._opener().open,
            registries=self._read_registries,
        )

    def _search_registries(self) -> tuple[str, ...]:
        return self._read_registries().search_registries()

    def _read_registries(self) -> Registries:
        with step("reading-registries-conf"):
            return self._load_registries()

    def _load_registries(self) -> Registries:
        if not self.read:
            options = self.options
            self.read.append(
                load_registries(
                    options.locations, options.rules, options.registries_conf, self.registries
                )
            )
        return self.read[0]

    def registries_of(self, goal: PullGoal) -> Registries | None:
        """The configuration, where it says where the images of a goal lie."""
        asked = any(isinstance(pair.source, DockerReference) for pair in goal.pairs)
        if not self.options.rules.mirrors or not (asked or goal.used_search_registries):
            return None
        return self._read_registries()

    def looks(self, candidate: Candidate, endpoint: Endpoint) -> tuple[AuthLook, ...]:
        """The looks for the credentials of one place."""
        source = candidate.pair.source
        assert isinstance(source, DockerReference)  # nothing else has endpoints
        access = RegistryAccess(self.options, self._load_registries)
        return access.looks(source, endpoint)

    def _opener(self, log: EndpointLog | None = None) -> Sources:
        access = RegistryAccess(self.options, self._load_registries)
        notes = log or EndpointLog()
        return Sources(
            self.options.rules,
            self.archives,
            self.options.platform,
            lambda reference: access.open(reference, notes),
            self.open_source,
            self.options.cancel.stop,
        )

    def run(self, goal: PullGoal, name: str, label: str | None) -> PullResult:
        """Try the pairs (PULL-003)."""
        policy, origin = load_policy(
            self.options.locations, self.options.rules, self.options.policy
        )
        attempts: list[Attempt] = []
        with self.progress.ticking():
            for pair in goal.pairs:
                attempt = self._attempt(pair, label, policy, origin)
                attempts.append(attempt)
                if attempt.stored is not None and not goal.pull_all_pairs:
                    named = self.options.rules.single_pull_event == "image"
                    self._event(pair.image if named else "")  # EVENT-002
                    return PullResult((pair.image,), tuple(attempts), origin)
        images = tuple(attempt.image for attempt in attempts if attempt.stored is not None)
        if not images:
            raise _nothing_pulled(goal, name, attempts)
        self._event(images[0])
        return PullResult(images, tuple(attempts), origin)

    def _attempt(
        self, pair: PullRefPair, label: str | None, policy: Policy, origin: str
    ) -> Attempt:
        rules = self.options.rules
        if pair.source.transport in _TOLD_WHEN_TRIED:
            self.progress.say("trying", image=pair.image)
        try:
            if label is not None:
                self._check_label(pair, label)
        except TowlineError as error:
            if rules.label_failure == "ends":  # LABEL-004
                raise
            return self._failed(pair, error)
        log = EndpointLog()
        try:
            copied = self._copy(pair, policy, origin, log)
        except TowlineError as error:
            return self._failed(pair, error, log)
        return Attempt(
            pair.image,
            pair.source,
            copied.image,
            verified=copied.verified,
            endpoints=log.uses(),
        )

    def _log(self, error: TowlineError) -> None:
        _LOG.error("%s", error.told(self.options.rules.wording))

    def _failed(
        self, pair: PullRefPair, error: TowlineError, log: EndpointLog | None = None
    ) -> Attempt:
        """The attempt that failed; being cancelled is no failure of it (PULL-006).

        Raises:
            PullCancelledError: the caller cancelled, whatever failed because of that.
        """
        self.options.cancel.raise_if_cancelled()
        if isinstance(error, PullCancelledError):
            raise error
        wording = self.options.rules.wording
        error.wording = wording
        within = pair.source.within_transport
        _LOG.error("%s", wording.text("log-pull-failed", within=within, error=error))
        self.progress.say("failed")
        uses = () if log is None else log.uses()
        return Attempt(pair.image, pair.source, error=error, endpoints=uses)

    def _copy(
        self, pair: PullRefPair, policy: Policy, origin: str, log: EndpointLog
    ) -> CopiedImage:
        options = self.options

        def allow(source: Source, raw: RawManifest) -> None:
            evaluate(policy, source.reference, origin=origin, log=self._log)

        copying = Copying(
            store=self.store,
            reading=self._reading(told=True),
            rules=options.rules,
            progress=self.progress,
            cancel=options.cancel,
            allow=allow,
            remove_signatures=options.remove_signatures,
            verify_diff_ids=options.verify_diff_ids,
        )
        with step("opening-source", source=image_name(pair.source)):
            source = self._opener(log).open(pair.source)
        with closing(source):
            return copying.copy(pair, source)

    def _check_label(self, pair: PullRefPair, label: str) -> None:
        caller = self.options.rules.label_context == "call"  # LABEL-003
        call = self if caller else replace(self, options=_bare(self.options), read=[])
        with closing(call._opener().open(pair.source)) as source:
            check_label(pair.image, label, source, self._reading(told=caller))

    def _reading(self, *, told: bool) -> Reading:
        platform = self.options.platform or host_platform()
        store = self.store if self.options.rules.known_documents else None
        return Reading(self.options.rules, platform, told=told, store=store)

    def _event(self, name: str) -> None:
        if self.options.on_event is not None:
            self.options.on_event(Event("image", "pull", name))


def _bare(options: Options) -> Options:
    # LABEL-003: of what the call was given only the auth file reaches the label check, and of the
    # environment not the file of registries
    environ = {
        key: value
        for key, value in options.locations.environ.items()
        if key not in options.rules.registries_conf_variables
    }
    return replace(
        options,
        locations=replace(options.locations, environ=environ),
        registries_conf=None,
        credentials=None,
        cert_dir=None,
        tls_verify=None,
    )


def _nothing_pulled(goal: PullGoal, name: str, attempts: list[Attempt]) -> PullFailedError:
    if goal.used_search_registries and not goal.searched_registries:
        transport, colon, _ = name.partition(":")
        # What stands before a colon may be meant as one; docker is a repository as well.
        meant = transport if colon and transport in TRANSPORTS and transport != "docker" else ""
        return PullFailedError("pull.no_search_registries", name=name, transport=meant)
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    images = [attempt.image for attempt in attempts]
    code = "pull.all_failed" if goal.used_search_registries else "pull.failed"
    return PullFailedError(code, name=name, images=images, errors=errors)
