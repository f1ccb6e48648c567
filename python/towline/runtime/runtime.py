"""The runtime pulls images into a store under fixed options (PULL-001)."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import NoneType
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.errors import PullCancelledError, TowlineError, step
from towline.frozen import replace
from towline.goal import PullGoal, goal_from_image_reference, goal_from_name
from towline.runtime.arguments import typed
from towline.runtime.call import Call, Hooks
from towline.runtime.options import Options
from towline.source.archive_cache import ArchiveCache
from towline.transport import ImageReference, image_name, parse_image_name
from towline.transport.docker import DockerReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.config.credentials import AuthLookup
    from towline.config.registries import Registries
    from towline.events import Event
    from towline.progress import BlobProgress, TextWriter
    from towline.runtime.explain import Explanation
    from towline.runtime.results import PullResult
    from towline.source.protocol import Source
    from towline.store.protocol import ImageStore

__all__ = ["Runtime"]


class Runtime:
    """Pulls images into a store under fixed options.

    One runtime may be used from many threads, and for any number of pulls.
    """

    def __init__(
        self,
        store: ImageStore,
        options: Options | None = None,
        *,
        open_source: Callable[[ImageReference], Source | None] | None = None,
    ) -> None:
        """Create a runtime.

        Args:
            store: the store into which images are pulled.
            options: the options; None for the defaults.
            open_source: opens the caller's own sources, such as images in memory, for references
                of the known transports; if it returns None, towline opens the source.  A text such
                as ``memory:x`` has no known transport: use a host name of your own, or an own
                `ImageReference` with `pull_reference`.

        Raises:
            TypeError: `store` is not a store.
        """
        if not hasattr(store, "begin"):
            raise TypeError(f"store must be a store, as open_store returns it, not {store!r}")
        self.store = store
        self.options = Options() if options is None else typed("options", options, Options)
        self._open_source = open_source
        self._registries: dict[str, Registries] = {}

    def __repr__(self) -> str:
        return f"<Runtime {self.store!r}>"

    def resolve(self, name: str, *, cancel: CancelToken | None = None) -> PullGoal:
        """Return the goal that a pull of `name` would run; no request is sent.

        Raises:
            TowlineError: the name, or a file that is read to resolve it, is invalid.
        """
        with self._call(Hooks(cancel)) as call:
            return self._goal(call, name)

    def explain(self, name: str, *, cancel: CancelToken | None = None) -> Explanation:
        """Return the goal with the configuration entries that decided it, and its endpoints.

        Raises:
            TowlineError: as `resolve`; also if registries.conf is invalid.
        """
        with self._call(Hooks(cancel)) as call:
            return self._explained(call, name)

    def explain_auth(
        self, name: str, *, cancel: CancelToken | None = None
    ) -> tuple[tuple[str, tuple[AuthLookup, ...]], ...]:
        """Return the lookups of credentials for each endpoint of a name, with their results.

        The result has no secrets.  Credential helpers are run.

        Raises:
            TowlineError: as `explain`.
        """
        with self._call(Hooks(cancel)) as call:
            return tuple(
                (
                    endpoint.reference.name,
                    call.access.credential_lookups(candidate.pair.source, endpoint),
                )
                for candidate in self._explained(call, name).candidates
                if isinstance(candidate.pair.source, DockerReference)
                for endpoint in candidate.endpoints
            )

    def pull(
        self,
        name: str,
        label: str | None = None,
        writer: TextWriter | None = None,
        *,
        cancel: CancelToken | None = None,
        on_progress: Callable[[BlobProgress], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> PullResult:
        """Pull a short name, a full name, or ``transport:rest`` (PULL-001).

        Args:
            name: the name as the user typed it.
            label: refuse images whose config does not have this label.
            writer: the progress text is written to it.
            cancel: ends this pull.
            on_progress: called with the state of each blob, from any thread, one call at a time.
            on_event: called with each event, after it happened.

        Raises:
            PullFailedError: no image was pulled; `errors` has the error of each pair.
            PullCancelledError: `cancel` was cancelled.
            TowlineError: an error stopped the call before the first attempt or between two.
            Exception: any other exception of a hook, or of the caller's own source or store, ends
                the call and is raised unchanged.
        """
        return self._pull(name, label, Hooks(cancel, writer, on_progress, on_event))

    def pull_reference(
        self,
        reference: ImageReference | str,
        writer: TextWriter | None = None,
        *,
        cancel: CancelToken | None = None,
        on_progress: Callable[[BlobProgress], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> PullResult:
        """Pull a source reference, or a text with its transport; no label is checked (PULL-002).

        Args:
            reference: of the source.
            writer: as for `pull`.
            cancel: as for `pull`.
            on_progress: as for `pull`.
            on_event: as for `pull`.

        Raises:
            PullFailedError: no image was pulled.
            TowlineError: as `pull`.
        """
        rules = self.options.rules.names
        with self._call(Hooks(cancel, writer, on_progress, on_event)) as call:
            if isinstance(reference, str):
                reference = parse_image_name(reference, call.facts, rules)
            name = image_name(reference)
            with step("deciding-goal", name=name):
                goal = goal_from_image_reference(reference, name, call.facts, rules)
            return _run(call, goal, name, None)

    async def pull_async(
        self,
        name: str,
        label: str | None = None,
        writer: TextWriter | None = None,
        *,
        cancel: CancelToken | None = None,
        on_progress: Callable[[BlobProgress], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> PullResult:
        """Pull in a thread of its own; cancelling the task ends the pull.

        The arguments, the result and the errors are those of `pull`.  `writer`, `on_progress` and
        `on_event` are called in other threads than the loop's.
        """
        from towline.runtime.own_thread import in_own_thread  # asyncio is slow to import

        hooks = Hooks(cancel, writer, on_progress, on_event)
        with (cancel or CancelToken()).branch() as branch:
            hooks = replace(hooks, cancel=branch)
            return await in_own_thread(lambda: self._pull(name, label, hooks), branch.cancel)

    def _pull(self, name: str, label: str | None, hooks: Hooks) -> PullResult:
        typed("label", label, str, NoneType, wanted="a text or None")
        with self._call(hooks) as call:
            return _run(call, self._goal(call, name), name, label)

    def _goal(self, call: Call, name: str) -> PullGoal:
        typed("name", name, str, wanted="a text")
        return goal_from_name(name, call.facts, self.options.rules.names)

    def _explained(self, call: Call, name: str) -> Explanation:
        from towline.runtime.explain import explain_goal

        goal = self._goal(call, name)
        return explain_goal(goal, call.registries_of(goal))

    @contextmanager
    def _call(self, hooks: Hooks) -> Iterator[Call]:
        """Return the context of one call; its errors have the wording of the edition."""
        own = nullcontext(CancelToken()) if hooks.cancel is None else hooks.cancel.branch()
        with own as cancel:
            try:
                cancel.raise_if_cancelled()
                with ArchiveCache(cancel.stop) as archives:
                    yield Call(
                        self.store,
                        self.options,
                        hooks,
                        cancel,
                        archives,
                        self._registries,
                        self._open_source,
                    )
            except TowlineError as error:
                # After cancellation, every error is a result of the cancellation.
                raised = PullCancelledError("cancelled.by_caller") if cancel.cancelled else error
                raised.wording = self.options.rules.wording
                raise raised from error.__cause__


def _run(call: Call, goal: PullGoal, name: str, label: str | None) -> PullResult:
    from towline.runtime.run_goal import run_goal  # what only a pull needs is imported now

    return run_goal(call, goal, name, label)
