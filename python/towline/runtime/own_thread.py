"""Runs a function in a thread of its own, for asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_own_thread"]

T = TypeVar("T")


async def in_own_thread(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return the result of a function that runs in a new thread, with the context of the caller.

    If the task is cancelled, the function is stopped, and its end is waited for.

    Args:
        work: the function.
        stop: makes the function end soon; called if the task is cancelled.

    Raises:
        CancelledError: the task was cancelled.
        BaseException: as `work`.
    """
    loop = asyncio.get_running_loop()
    # An exception of an asyncio future that nobody retrieves would be logged, so `ended` has none.
    ended: asyncio.Future[None] = loop.create_future()
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the task
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop was closed and did not wait for the task
            loop.call_soon_threadsafe(ended.set_result, None)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="towline-pull").start()
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError as error:
            cancelled = error
            stop()
        except BaseException:  # the coroutine is closed, and must not wait
            stop()
            raise
    if cancelled is not None:
        raise cancelled
    return outcome.result()
