"""The runtime pulls images into a store under fixed options (PULL-001)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.config.credentials import AuthLookup
from towline.config.load import RegistriesCache
from towline.errors import PullCancelledError, TowlineError, step
from towline.goal import PullGoal, goal_from_image_reference, goal_from_name
from towline.progress import Progress, TextWriter
from towline.runtime.call import Call
from towline.runtime.options import Options
from towline.runtime.results import PullResult
from towline.runtime.run_goal import run_goal
from towline.source.archive_cache import ArchiveCache
from towline.source.protocol import Source
from towline.store.protocol import Store
from towline.transport import ImageReference, image_name, parse_image_name

if TYPE_CHECKING:
    from towline.runtime.explain import Explanation

__all__ = ["Runtime"]


class Runtime:
    """Pulls images into a store under fixed options.

    One runtime may be used from many threads, and for any number of pulls.
    """

    def __init__(
        self,
        store: Store,
        options: Options | None = None,
        *,
        open_source: Callable[[ImageReference], Source | None] | None = None,
    ) -> None:
        """Create a runtime.

        Args:
            store: the store into which images are pulled.
            options: the options; None for the defaults.
            open_source: opens custom sources, such as images in memory or behind another protocol;
                for a reference for which it returns None, towline opens the source.
        """
        self.store = store
        self.options = Options() if options is None else options
        self._open_source = open_source
        self._registries = RegistriesCache()

    def resolve(self, name: str) -> PullGoal:
        """Return the goal that a pull of `name` would run; no request is sent.

        Raises:
            TowlineError: the name, or a file that is read to resolve it, is invalid.
        """
        with self._call(None) as call:
            return goal_from_name(name, call.facts(), self.options.rules.names)

    def explain(self, name: str) -> Explanation:
        """Return the goal with the configuration entries that decided it, and its endpoints.

        Raises:
            TowlineError: as `resolve`; also if registries.conf is invalid.
        """
        from towline.runtime.explain import explain_goal

        with self._call(None) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules.names)
            return explain_goal(name, goal, call.registries_of(goal))

    def explain_auth(self, name: str) -> tuple[tuple[str, tuple[AuthLookup, ...]], ...]:
        """Return the lookups of credentials for each endpoint of a name, with their results.

        The result has no secrets.  Credential helpers are run.

        Raises:
            TowlineError: as `explain`.
        """
        from towline.runtime.explain import explain_goal

        with self._call(None) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules.names)
            explained = explain_goal(name, goal, call.registries_of(goal))
            return tuple(
                (endpoint.reference.name, call.credential_lookups(candidate, endpoint))
                for candidate in explained.candidates
                for endpoint in candidate.endpoints
            )

    def pull(
        self, name: str, label: str | None = None, writer: TextWriter | None = None
    ) -> PullResult:
        """Pull a short name, a full name, or ``transport:rest`` (PULL-001).

        Args:
            name: the name as the user typed it.
            label: refuse images whose config does not have this label.
            writer: the progress text is written to it.

        Raises:
            PullFailedError: no image was pulled; ``facts["errors"]`` has the error of each pair.
            TowlineError: an error stopped the call before the first attempt or between two.
        """
        return self._pull(name, label, writer, self.options.cancel)

    def pull_reference(
        self, reference: ImageReference | str, writer: TextWriter | None = None
    ) -> PullResult:
        """Pull a source reference, or a text with its transport; no label is checked (PULL-002).

        Raises:
            PullFailedError: no image was pulled.
            TowlineError: as `pull`.
        """
        rules = self.options.rules
        with self._call(writer) as call:
            facts = call.facts()
            if isinstance(reference, str):
                reference = parse_image_name(reference, facts, rules.names)
            name = image_name(reference)
            with step("deciding-goal", name=name):
                goal = goal_from_image_reference(reference, name, facts, rules.names)
            return run_goal(call, goal, name, None)

    async def pull_async(
        self, name: str, label: str | None = None, writer: TextWriter | None = None
    ) -> PullResult:
        """Pull in a thread; cancelling the task cancels only this pull.  See `pull`."""
        import asyncio  # slow to import, and not needed by most callers

        with self.options.cancel.branch() as cancel:
            pull = asyncio.ensure_future(asyncio.to_thread(self._pull, name, label, writer, cancel))
            try:
                return await asyncio.shield(pull)
            except asyncio.CancelledError:
                cancel.cancel()
                await asyncio.wait([pull])
                pull.exception()  # else asyncio logs that it was never retrieved
                raise

    def _pull(
        self, name: str, label: str | None, writer: TextWriter | None, cancel: CancelToken
    ) -> PullResult:
        with self._call(writer, cancel) as call:
            goal = goal_from_name(name, call.facts(), self.options.rules.names)
            return run_goal(call, goal, name, label)

    @contextmanager
    def _call(self, writer: TextWriter | None, cancel: CancelToken | None = None) -> Iterator[Call]:
        """Return the context of one call; its errors have the wording of the edition."""
        rules = self.options.rules
        progress = Progress(rules.wording, writer, self.options.on_progress)
        with (cancel or self.options.cancel).branch() as branch:
            options = replace(self.options, cancel=branch)
            try:
                branch.raise_if_cancelled()
                with ArchiveCache(branch.stop) as archives:
                    yield Call(
                        self.store, options, self._registries, progress, archives, self._open_source
                    )
            except TowlineError as error:
                # After cancellation, every error is a result of the cancellation.
                raised = PullCancelledError("cancelled.by_caller") if branch.cancelled else error
                raised.wording = rules.wording
                raise raised from error.__cause__
