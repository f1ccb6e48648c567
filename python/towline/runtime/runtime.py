"""The runtime: a store, and the options under which images are pulled into it (PULL-001)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.config.credentials import AuthLook
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
            return run_goal(call, goal, name, None)

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
            return run_goal(call, goal, name, label)

    @contextmanager
    def _call(self, writer: TextWriter | None, cancel: CancelToken | None = None) -> Iterator[Call]:
        """One call; errors that leave it are told in the words of the edition."""
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
                # What fails once all is being stopped fails because of that.
                told = PullCancelledError("cancelled.by_caller") if branch.cancelled else error
                told.wording = rules.wording
                raise told from error.__cause__
