"""Runs a goal: tries its pairs in order, until the first success or all of them.

(PULL-003 to PULL-009, EVENT-001 to EVENT-003)
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from towline.errors import PullCancelledError, PullFailedError, TowlineError, step
from towline.frozen import frozen
from towline.registry.endpoint_log import EndpointLog
from towline.runtime.results import Attempt, PullResult
from towline.transport import TRANSPORTS, image_name
from towline.trust.evaluate import evaluate

if TYPE_CHECKING:
    from towline.copying.copy_image import CopiedImage
    from towline.goal import PullGoal, PullRefPair
    from towline.image.manifest import RawManifest
    from towline.runtime.call import Call
    from towline.source.protocol import Source
    from towline.trust.policy_json import Policy

__all__ = ["run_goal"]

_LOG = logging.getLogger("towline")
_LOG.addHandler(logging.NullHandler())  # as the logging HOWTO asks of libraries
_ANNOUNCED = ("docker", "atomic")  # transports whose pairs are announced (TEXT-001)


def run_goal(call: Call, goal: PullGoal, name: str, label: str | None) -> PullResult:
    """Try the pairs of a goal (PULL-003).

    Args:
        call: the call.
        goal: the pairs to try.
        name: the name that the user typed, for the error.
        label: the label that an image must have; None if none is required.

    Raises:
        PullFailedError: no pair was pulled.
        TowlineError: an error that ends the call and not only the attempt.
    """
    policy, origin = call.policy
    run = _Run(call, label, policy, origin)
    attempts: list[Attempt] = []
    with call.progress.ticking():
        for pair in goal.pairs:
            attempt = run.attempt(pair)
            attempts.append(attempt)
            if attempt.stored is not None and not goal.pull_all_pairs:
                named = call.options.rules.copying.single_pull_event == "image"
                call.send_event(pair.image if named else "")  # EVENT-002
                return PullResult((pair.image,), tuple(attempts), origin)
    images = tuple(attempt.image for attempt in attempts if attempt.stored is not None)
    if not images:
        raise _nothing_pulled(goal, name, attempts, call.warnings.take())
    call.send_event(images[0])
    return PullResult(images, tuple(attempts), origin)


@frozen
class _Run:
    """The attempts of one goal.

    Attributes:
        origin: the origin of the policy.
    """

    call: Call
    label: str | None
    policy: Policy
    origin: str

    def attempt(self, pair: PullRefPair) -> Attempt:
        """Try one pair."""
        rules = self.call.options.rules
        if pair.source.transport in _ANNOUNCED:
            self.call.progress.say("trying", image=pair.image)
        try:
            if self.label is not None:
                self._check_label(pair, self.label)
        except TowlineError as error:
            if rules.copying.label_failure == "ends":  # LABEL-004
                raise
            return self._failed(pair, error)
        log = EndpointLog()
        try:
            copied = self._copy(pair, log)
        except TowlineError as error:
            return self._failed(pair, error, log)
        return Attempt(
            pair.image,
            pair.source,
            copied.image,
            verified=copied.verified,
            endpoints=log.uses(),
            warnings=self.call.warnings.take(),
        )

    def _failed(
        self, pair: PullRefPair, error: TowlineError, log: EndpointLog | None = None
    ) -> Attempt:
        """The failed attempt; cancelling is not a failure of it (PULL-006).

        Raises:
            PullCancelledError: the caller cancelled.
        """
        self.call.cancel.raise_if_cancelled()
        if isinstance(error, PullCancelledError):
            raise error
        wording = self.call.options.rules.wording
        error.wording = wording
        within = pair.source.within_transport
        _LOG.error("%s", wording.text("log-pull-failed", within=within, error=error))
        self.call.progress.say("failed")
        uses = () if log is None else log.uses()
        warnings = self.call.warnings.take()
        return Attempt(pair.image, pair.source, error=error, endpoints=uses, warnings=warnings)

    def _copy(self, pair: PullRefPair, log: EndpointLog) -> CopiedImage:
        with step("opening-source", source=image_name(pair.source)):
            source = self.call.sources.open(pair.source, log)
        with closing(source):
            return self.call.copying(self._allow, pair.image).copy(pair, source)

    def _allow(self, source: Source, raw: RawManifest) -> None:
        evaluate(self.policy, source.reference, origin=self.origin, log=self._log)

    def _check_label(self, pair: PullRefPair, label: str) -> None:
        from towline.copying.label import check_label

        call = self.call.for_label_check()
        with closing(call.sources.open(pair.source)) as source:
            reading = call.reading(name_source=call is self.call, image=pair.image)
            check_label(pair.image, label, source, reading)

    def _log(self, error: TowlineError) -> None:
        _LOG.error("%s", error.render(self.call.options.rules.wording))


def _nothing_pulled(
    goal: PullGoal, name: str, attempts: list[Attempt], warnings: tuple[TowlineError, ...]
) -> PullFailedError:
    if goal.used_search_registries and not goal.searched_registries:
        transport, colon, _ = name.partition(":")
        # The prefix may be a transport without "//"; docker is also the name of a repository.
        likely = transport if colon and transport in TRANSPORTS and transport != "docker" else ""
        return PullFailedError(
            "pull.no_search_registries", name=name, transport=likely, errors=[], warnings=warnings
        )
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    images = [attempt.image for attempt in attempts]
    code = "pull.all_failed" if goal.used_search_registries else "pull.failed"
    warnings = tuple(warning for attempt in attempts for warning in attempt.warnings)
    return PullFailedError(code, name=name, images=images, errors=errors, warnings=warnings)
