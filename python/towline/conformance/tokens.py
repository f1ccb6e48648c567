"""Tokens such as ``${ROOT}`` in vectors, and the values that they have in one run.

Texts are held as `str` in which bytes that are not UTF-8 are surrogate-escaped.  In JSON such a
text is ``{"base64": ...}``, and in inputs it stands under a key that ends in ``_base64``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ANCESTORS", "Tokens", "fold", "mentioned", "unfold"]

#: One element of a list, that stands for any number of elements.
ANCESTORS = "${ROOT_ANCESTORS}"

_TOKEN = re.compile(r"\$\{([A-Z0-9_]+)\}")
_BASE64_KEY = "_base64"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What each token stands for.

    Attributes:
        values: the text of each token, by its name without ``${}``.
        ancestors: the strict ancestors of the root, nearest first.
    """

    values: Mapping[str, str]
    ancestors: tuple[str, ...] = ()

    @staticmethod
    def of_root(root: str, **values: str) -> Tokens:
        """The tokens that follow from the fixture root, and others."""
        parts = root.strip("/").split("/")[:-1]
        ancestors = ["/" + "/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return Tokens({"ROOT": root, **values}, tuple(ancestors))

    def having(self, more: Mapping[str, str]) -> Tokens:
        """The same with more tokens; those that are known stay as they are."""
        return Tokens({**more, **self.values}, self.ancestors)

    def expand(self, value: Any) -> Any:
        """A JSON value with every known token replaced, inside base64 as well."""
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
        """A JSON value with the values of tokens turned back into tokens, to be shown."""
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
        # The longest value first, since the store may lie below the root. A port alone is a token
        # only where no other word character touches it: digests are full of such digits.
        for name, value in sorted(self.values.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            if value.isdigit():
                text = re.sub(rf"(?<!\w){value}(?!\w)", f"${{{name}}}", text)
            elif value:
                text = text.replace(value, f"${{{name}}}")
        return text


def mentioned(value: Any) -> frozenset[str]:
    """The names of all tokens in a JSON value, inside base64 as well."""
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
    """A JSON value in which every ``{"base64": ...}`` has become the text that it stands for."""
    match value:
        case str():
            # Escaped bytes that together are UTF-8 are that text.
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
    """A text as JSON can hold it: itself, or ``{"base64": ...}`` where it is not UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
