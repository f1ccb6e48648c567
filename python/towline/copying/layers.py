"""Fetches the layers of one image, in parallel if the source allows it, and each blob once.

No task holds one sink while it waits for another, so a deadlock is impossible.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from towline.copying.reading import other_size
from towline.errors import RegistryError, TowlineError, VerificationError, step
from towline.frozen import field, frozen
from towline.progress import BlobProgress, BlobState, Progress
from towline.source.protocol import Alternatives, OpenBlob, Source
from towline.transport import image_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.cancel import CancelToken
    from towline.errors import Warn
    from towline.rules.copying import CopyingRules
    from towline.store.protocol import BlobSink, Ingest, LayerPlan, StoredBlob

__all__ = ["LayerFetch"]


@frozen
class LayerFetch:
    """The fetching of the layers of one image.

    Attributes:
        image: the image name of the pair, for progress.
        warn: called with each error that is only a warning.
        listed: how often the manifest lists each layer that is fetched.
    """

    image: str
    source: Source
    ingest: Ingest
    rules: CopyingRules
    progress: Progress
    cancel: CancelToken
    warn: Warn
    listed: dict[str, int] = field(default_factory=dict)

    def run(self, layers: Sequence[LayerPlan]) -> None:
        """Fetch the missing layers, and report every listed layer, present ones too (TEXT-005).

        Raises:
            TowlineError: the error of the lowest layer that failed (PULL-018).
        """
        missing = {layer.descriptor.digest_text for layer in self.ingest.missing()}
        tasks: list[tuple[int, LayerPlan]] = []
        for index, layer in enumerate(layers):
            digest = layer.descriptor.digest_text
            if digest not in missing:
                self._announce(layer, "present", layer.descriptor.size)
            elif digest in self.listed:  # reported with the first one, once it opens (TEXT-006)
                self.listed[digest] += 1
            else:
                self.listed[digest] = 1
                tasks.append((index, layer))
        if tasks:
            self._run_tasks(self._ordered(tasks))

    def _ordered(self, tasks: list[tuple[int, LayerPlan]]) -> list[tuple[int, LayerPlan]]:
        by_digest = {layer.descriptor.digest_text: (index, layer) for index, layer in tasks}
        order = self.source.in_order([layer.descriptor for _, layer in tasks])
        return [by_digest[descriptor.digest_text] for descriptor in order]

    def _run_tasks(self, tasks: list[tuple[int, LayerPlan]]) -> None:
        from concurrent.futures import ThreadPoolExecutor  # not needed if every blob is stored

        failures: dict[int, TowlineError] = {}
        failed = threading.Event()

        def work(index: int, layer: LayerPlan) -> None:
            if failed.is_set() and not self.rules.layers_after_failure:
                return
            try:
                self.cancel.raise_if_cancelled()
                self._fetch(layer)
            except TowlineError as error:
                failures[index] = error
                failed.set()

        slots = max(1, min(self.source.parallel, len(tasks)))
        with ThreadPoolExecutor(slots, thread_name_prefix="towline-layer") as pool:
            try:
                for done in [pool.submit(work, index, layer) for index, layer in tasks]:
                    done.result()
            except BaseException:  # Ctrl-C: stop the tasks that are still running
                self.cancel.cancel()
                raise
        if failures:
            raise failures[min(failures)]

    def _fetch(self, layer: LayerPlan) -> None:
        sink = self.ingest.sink(layer)
        if sink is None:  # another task or process has fetched it
            self._announce(layer, "present", layer.descriptor.size)
            return
        with sink:
            # STORE-014: bytes of an earlier attempt or another endpoint may be wrong
            mixed = sink.writer.offset > 0
            announced = False
            while True:
                try:
                    self._take(layer, sink, announced=announced)
                except RegistryError as error:
                    if not self._has_alternative(layer, error):
                        raise
                    announced, mixed = True, sink.writer.offset > 0
                    continue
                announced = True
                stored = self._commit(layer, sink, again=mixed)
                if stored is not None:
                    break
                mixed = False
                sink.restart()
        if layer.descriptor.size not in (stored.size, -1):
            self.warn(other_size("layer", layer.descriptor, stored.size))
        self._report(layer, "done", stored.size, stored.size)

    def _has_alternative(self, layer: LayerPlan, error: TowlineError) -> bool:
        """Give up the present endpoint; whether another one is left for the blob (CONF-045)."""
        source = self.source
        return isinstance(source, Alternatives) and source.give_up(layer.descriptor, error)

    def _take(self, layer: LayerPlan, sink: BlobSink, *, announced: bool) -> None:
        with self._open(layer, sink) as blob:
            if not announced:
                self._announce(layer, "begun", blob.offset, blob.size)
            writer = sink.writer
            with self.progress.moving(
                layer.descriptor.digest_text,
                lambda: self._blob_progress(layer, "moving", writer.offset, blob.size),
            ):
                blob.deliver(writer)

    def _open(self, layer: LayerPlan, sink: BlobSink) -> OpenBlob:
        with step("reading-blob", digest=layer.descriptor.digest_text):
            blob = self.source.open_blob(layer.descriptor, sink.writer.offset)
        if blob.offset != sink.writer.offset:
            sink.restart()
        return blob

    def _commit(self, layer: LayerPlan, sink: BlobSink, *, again: bool) -> StoredBlob | None:
        """Commit the blob; None if it has to be fetched again."""
        transport = self.source.reference.transport
        try:
            return sink.commit(any_size=self.rules.listed_size == "advice")  # REG-027
        except VerificationError as error:
            if again or self._has_alternative(layer, error):
                return None
            # TEXT-007: an empty blob is an error of reading, any other one an error of writing
            if error.facts.get("size") == 0:
                raise error.during("reading-blob", digest=layer.descriptor.digest_text) from None
            error.during("checking-blob", transport=transport, code=error.code)
            source = image_name(self.source.reference)
            raise error.during("writing-blob", source=source) from None

    def _announce(
        self, layer: LayerPlan, state: BlobState, offset: int, size: int | None = None
    ) -> None:
        digest = layer.descriptor.digest_text
        for _ in range(self.listed.get(digest, 1)):
            self.progress.say("copying-blob", digest=digest)
        self._report(layer, state, offset, size)

    def _report(self, layer: LayerPlan, state: BlobState, offset: int, size: int | None) -> None:
        self.progress.blob(self._blob_progress(layer, state, offset, size))

    def _blob_progress(
        self, layer: LayerPlan, state: BlobState, offset: int, size: int | None
    ) -> BlobProgress:
        """The state of a blob; its listed size is used if the source does not state one."""
        descriptor = layer.descriptor
        whole = descriptor.size if size is None else size
        return BlobProgress(self.image, descriptor.digest_text, state, offset, whole)
