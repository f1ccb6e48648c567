"""Tokens such as ``${ROOT}`` in vectors, and their values in one run.

Texts are `str` values in which bytes that are not UTF-8 are surrogate-escaped.  In JSON such a text
is ``{"base64": ...}``; in inputs its key ends in ``_base64``.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANCESTORS", "Tokens", "fold", "mentioned", "unfold"]

#: A list element that is replaced by any number of elements.
ANCESTORS = "${ROOT_ANCESTORS}"

_TOKEN = re.compile(r"\$\{([A-Z0-9_]+)\}")
_BASE64_KEY = "_base64"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The values of the tokens.

    Attributes:
        values: the text of each token, by its name without ``${}``.
        ancestors: the strict ancestors of the root, nearest first.
    """

    values: Mapping[str, str]
    ancestors: tuple[str, ...] = ()

    @staticmethod
    def of_root(root: str, **values: str) -> Tokens:
        """The tokens of a fixture root, and further tokens."""
        parts = root.strip("/").split("/")[:-1]
        ancestors = ["/" + "/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return Tokens({"ROOT": root, **values}, tuple(ancestors))

    def with_more(self, more: Mapping[str, str]) -> Tokens:
        """A copy with more tokens; existing tokens keep their values."""
        return Tokens({**more, **self.values}, self.ancestors)

    def expand(self, value: Any) -> Any:
        """A JSON value in which every known token is replaced, also inside base64."""
        match value:
            case str():
                return _TOKEN.sub(lambda found: self.values.get(found[1], found[0]), value)
            case {"base64": str(encoded), **rest} if not rest:
                return fold(self.expand(_decoded(encoded)))
            case dict():
                return {key: self._expand_member(key, member) for key, member in value.items()}
            case list():
                return [item for element in value for item in self._expand_element(element)]
            case _:
                return value

    def _expand_member(self, key: str, member: Any) -> Any:
        if key.endswith(_BASE64_KEY) and isinstance(member, str):
            return _encoded(self.expand(_decoded(member)))
        return self.expand(member)

    def _expand_element(self, element: Any) -> list[Any]:
        return list(self.ancestors) if element == ANCESTORS else [self.expand(element)]

    def collapse(self, value: Any) -> Any:
        """A JSON value in which the values of tokens are replaced by the tokens, for output."""
        match value:
            case str():
                return self._collapse_text(value)
            case {"base64": str(encoded), **rest} if not rest:
                return fold(self._collapse_text(_decoded(encoded)))
            case dict():
                return {key: self.collapse(member) for key, member in value.items()}
            case list():
                return [self.collapse(element) for element in self._collapse_run(value)]
            case _:
                return value

    def _collapse_run(self, elements: list[Any]) -> list[Any]:
        length = len(self.ancestors)
        for start in range(len(elements) - length + 1) if length else ():
            if tuple(elements[start : start + length]) == self.ancestors:
                return [*elements[:start], ANCESTORS, *elements[start + length :]]
        return elements

    def _collapse_text(self, text: str) -> str:
        # The longest value first, since the store may be below the root. A port is replaced only
        # between characters that are not word characters: digests contain the same digits.
        for name, value in sorted(self.values.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            if value.isdigit():
                text = re.sub(rf"(?<!\w){value}(?!\w)", f"${{{name}}}", text)
            elif value:
                text = text.replace(value, f"${{{name}}}")
        return text


def mentioned(value: Any) -> frozenset[str]:
    """The names of all tokens in a JSON value, also inside base64."""
    match value:
        case str():
            return frozenset(_TOKEN.findall(value))
        case dict():
            texts = [
                _decoded(member)
                if isinstance(member, str) and (key == "base64" or key.endswith(_BASE64_KEY))
                else member
                for key, member in value.items()
            ]
            return mentioned(texts)
        case list():
            return frozenset().union(*map(mentioned, value))
        case _:
            return frozenset()


def unfold(value: Any) -> Any:
    """A JSON value in which every ``{"base64": ...}`` is replaced by its text."""
    match value:
        case str():
            # Escaped bytes that form valid UTF-8 become the text.
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        case {"base64": str(encoded), **rest} if not rest:
            return _decoded(encoded)
        case dict():
            return {key: unfold(member) for key, member in value.items()}
        case list():
            return [unfold(element) for element in value]
        case _:
            return value


def fold(text: str) -> str | dict[str, str]:
    """The JSON form of a text: the text itself, or ``{"base64": ...}`` if it is not UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
