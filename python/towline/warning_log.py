"""Collects the warnings of a call: errors that do not end it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.errors import TowlineError
    from towline.wording import Wording

__all__ = ["WarningLog"]


class WarningLog:
    """The warnings of one call.  Safe in any number of threads."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._lock = threading.Lock()
        self._new: dict[str, TowlineError] = {}
        self._taken: set[str] = set()

    def warn(self, error: TowlineError) -> None:
        """Add a warning, unless the call has it already."""
        error.wording = self._wording
        text = str(error)
        with self._lock:
            if text in self._taken or text in self._new:
                return
            self._new[text] = error
        import logging  # rarely needed

        logging.getLogger("towline").warning("%s", text)

    def take(self) -> tuple[TowlineError, ...]:
        """Return the warnings since the last call of this method."""
        with self._lock:
            new = tuple(self._new.values())
            self._taken.update(self._new)
            self._new.clear()
            return new
