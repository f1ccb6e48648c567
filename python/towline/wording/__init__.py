"""The user-visible sentences of both editions, and the function that renders errors.

A `Wording` is three tables: errors by code, steps by name, and texts (progress, log) by key.  The
errors and texts of `LIBPOD_1_3` are tables over those of `CURRENT`: a sentence that is the same in
both editions is written once, in ``current*.py``.

A template is a format string over the facts, or a function of the facts; ``{name!q}`` quotes like
Go's ``%q``, ``{errno!e}`` is the system's message for an error number, and ``{size:byte}`` is
``1 byte`` or ``2 bytes``.
"""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Any, Protocol

from towline.go.go_quote import quote
from towline.wording.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.wording.template import Template

__all__ = ["CURRENT", "LIBPOD_1_3", "Wording"]


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
        noun = format_spec.replace(" ", "")
        if noun.isalpha() and len(noun) > 1:  # one letter is a format type, such as d
            return counted(value, format_spec)
        return super().format_field(value, format_spec)


_FORMATTER = _Formatter()


class _Tables(Protocol):
    """A module with the tables of an edition."""

    ERRORS: Mapping[str, Template]
    STEPS: Mapping[str, Template]
    TEXTS: Mapping[str, Template]


class Wording:
    """One edition's sentences; the module that has them is imported when one is needed.

    Attributes:
        name: the edition, ``"current"`` or ``"libpod-1.3"``.
    """

    __slots__ = ("_load", "name")

    def __init__(self, name: str, load: Callable[[], _Tables]) -> None:
        """The wording of an edition.

        Args:
            name: the edition.
            load: returns the module with the tables.
        """
        self.name = name
        self._load = load

    def __repr__(self) -> str:
        return f"Wording.named({self.name!r})"

    @property
    def errors(self) -> Mapping[str, Template]:
        """Sentences by the code of the error."""
        return self._load().ERRORS

    @property
    def steps(self) -> Mapping[str, Template]:
        """Prefixes by step; a step that is not listed has none."""
        return self._load().STEPS

    @property
    def texts(self) -> Mapping[str, Template]:
        """Texts of the progress and the log, by key."""
        return self._load().TEXTS

    @staticmethod
    def named(name: str) -> Wording:
        """The wording of an edition.

        Raises:
            KeyError: there is no such edition.
        """
        return {wording.name: wording for wording in (CURRENT, LIBPOD_1_3)}[name]

    def __reduce__(self) -> tuple[Callable[[str], Wording], tuple[str]]:
        return Wording.named, (self.name,)

    def error(self, code: str, facts: Mapping[str, Any], steps: Sequence[_Step]) -> str:
        """An error as one text: the steps, outermost first, then the sentence of the code.

        An error that a caller made may have a code without a sentence, or too few facts.  It is
        shown as its fact ``text``, or as its code and facts.
        """
        try:
            message = self._fill(self.errors[code], facts)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            own = ", ".join(f"{name}={value!r}" for name, value in facts.items())
            message = str(facts.get("text") or (f"{code} ({own})" if own else code))
        for step in reversed(steps):
            template = self.steps.get(step.name, "")
            # A template with {error} contains the rest; any other template is a prefix.
            if isinstance(template, str) and "{error}" not in template:
                message = self._fill(template, step.facts) + message
            else:
                message = self._fill(template, {**step.facts, "error": message})
        return message

    def text(self, key: str, /, **facts: Any) -> str:
        """A progress or log text."""
        return self._fill(self.texts[key], facts)

    def _fill(self, template: Template, facts: Mapping[str, Any]) -> str:
        rendered = {key: self._render(value) for key, value in facts.items()}
        if callable(template):
            return template(rendered)
        return _FORMATTER.vformat(template, (), rendered)

    def _render(self, value: Any) -> Any:
        # An error among the facts (the cause of a PullFailedError) is rendered in this edition.
        if isinstance(value, BaseException):
            render = getattr(value, "render", None)
            return render(self) if render else str(value)
        if isinstance(value, tuple | list):
            return [self._render(item) for item in value]
        return value


def _current() -> _Tables:
    from towline.wording import current

    return current


def _libpod_1_3() -> _Tables:
    from towline.wording import libpod_1_3

    return libpod_1_3


CURRENT = Wording("current", _current)
LIBPOD_1_3 = Wording("libpod-1.3", _libpod_1_3)
