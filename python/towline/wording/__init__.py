"""The sentences that a user can see, in two editions, and the rendering of errors by them.

A `Wording` is three tables: errors by code, steps by name, and texts (progress, log) by key.  A
template is a format string over the facts, or a function of the facts; ``{name!q}`` quotes like
the original does, ``{errno!e}`` is the system's word for an error number, and ``{size:byte}`` is
``1 byte`` or ``2 bytes``.
"""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from towline.go.go_quote import quote
from towline.wording import current, libpod_1_3
from towline.wording.counting import counted

__all__ = ["CURRENT", "LIBPOD_1_3", "Wording"]

Template = str | Callable[[Mapping[str, Any]], str]


class _Step(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


class _Formatter(string.Formatter):
    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion == "q":
            return quote(str(value))
        if conversion == "e":
            return os.strerror(value).lower()
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        if format_spec.isalpha() and len(format_spec) > 1:  # one letter is a type, such as d
            return counted(value, format_spec)
        return super().format_field(value, format_spec)


_FORMATTER = _Formatter()


@dataclass(frozen=True, slots=True)
class Wording:
    """One edition's sentences.

    Attributes:
        name: the edition, ``"current"`` or ``"libpod-1.3"``.
    """

    name: str
    errors: Mapping[str, Template]
    steps: Mapping[str, Template]
    texts: Mapping[str, Template]

    @staticmethod
    def named(name: str) -> Wording:
        """The wording of that name; KeyError where there is none."""
        return {w.name: w for w in (CURRENT, LIBPOD_1_3)}[name]

    def error(self, code: str, facts: Mapping[str, Any], steps: Sequence[_Step]) -> str:
        """An error as one text: what was being done, outermost first, and then what went wrong."""
        told = self._fill(self.errors[code], facts)
        for step in reversed(steps):
            template = self.steps[step.name]
            # A template with {error} says for itself where the rest goes.
            if isinstance(template, str) and "{error}" not in template:
                told = self._fill(template, step.facts) + told
            else:
                told = self._fill(template, {**step.facts, "error": told})
        return told

    def text(self, key: str, /, **facts: Any) -> str:
        """A progress or log text."""
        return self._fill(self.texts[key], facts)

    def _fill(self, template: Template, facts: Mapping[str, Any]) -> str:
        told = {key: self._tell(value) for key, value in facts.items()}
        if callable(template):
            return template(told)
        return _FORMATTER.vformat(template, (), told)

    def _tell(self, value: Any) -> Any:
        # An error among the facts (the cause of a PullFailedError) is told in the same edition.
        if isinstance(value, BaseException):
            tell = getattr(value, "told", None)
            return tell(self) if tell else str(value)
        if isinstance(value, tuple | list):
            return [self._tell(item) for item in value]
        return value


CURRENT = Wording("current", current.ERRORS, current.STEPS, current.TEXTS)
LIBPOD_1_3 = Wording("libpod-1.3", libpod_1_3.ERRORS, libpod_1_3.STEPS, libpod_1_3.TEXTS)
