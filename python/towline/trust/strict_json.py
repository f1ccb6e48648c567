"""Strict JSON parsing for policy.json: a security policy must not be partly ignored.

Unknown, missing and repeated keys are errors, keys are case-sensitive, and every error names its
location in the document.  (POLICY-020 to POLICY-024)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.errors import ConfigurationError
from towline.frozen import frozen
from towline.go import go_base64
from towline.go.go_json import GoJsonError, Struct, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Item", "document"]


@frozen
class Item:
    """A value in the document, and its location.

    Attributes:
        value: as `towline.go.go_json.decode` returns it.
        location: such as ``transports.docker."example.com"[0]``, ``""`` for the whole document.
    """

    value: Any
    location: str = ""

    def fault(self, code: str, **facts: Any) -> ConfigurationError:
        """An error about this value."""
        place = self.location or "top level"
        return ConfigurationError(f"policy_json.{code}", place=place, **facts)

    def fields(self, known: Callable[[str], bool]) -> Iterator[tuple[str, Item]]:
        """The fields of an object in their order; unknown and repeated keys are errors.

        This is a generator, so that errors are raised in the order of the document: the caller
        checks a field's value before the next key is checked.

        Raises:
            ConfigurationError: ``policy_json.not_object``, ``.duplicate_key``, ``.unknown_key``.
        """
        if not isinstance(self.value, Struct):
            raise self.fault("not_object", token=_first_token(self.value), got=_kind(self.value))
        seen = set()
        for key, value in self.value.pairs():
            if key in seen:
                raise self.fault("duplicate_key", key=key)
            if not known(key):
                raise self.fault("unknown_key", key=key)
            seen.add(key)
            yield key, Item(value, self._location_of(key))

    def exact_fields(self, *keys: str) -> dict[str, Item]:
        """The fields of an object that has exactly these keys.

        Raises:
            ConfigurationError: as `fields`, and ``policy_json.missing_key``.
        """
        found = dict(self.fields(lambda key: key in keys))
        for key in keys:
            if key not in found:
                raise self.fault("missing_key", key=key)
        return found

    def items(self) -> list[Item]:
        """The items of a list; ``null`` is an empty one (POLICY-022).

        Raises:
            ConfigurationError: ``policy_json.wrong_type``.
        """
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.fault("wrong_type", wanted="a list", got=_kind(self.value))
        return [Item(item, f"{self.location}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        """A string; ``null`` is an empty one.

        Raises:
            ConfigurationError: ``policy_json.wrong_type``.
        """
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise self.fault("wrong_type", wanted="a string", got=_kind(self.value))
        return self.value

    def data(self) -> str:
        """A base64 string, not decoded; ``null`` is an empty one.

        Raises:
            ConfigurationError: ``policy_json.wrong_type`` or ``.not_base64``.
        """
        text = self.text()
        try:
            go_base64.decode(text)
        except go_base64.Base64Error as fault:
            raise self.fault("not_base64", offset=fault.offset) from None
        return text

    def type(self) -> str:
        """The ``type`` of an object, read before its keys are checked.

        It is read as leniently as the original reads it: the key is matched case-insensitively,
        and ``null`` counts as an empty object.

        Raises:
            ConfigurationError: ``policy_json.wrong_type``.
        """
        if self.value is None:
            return ""
        if not isinstance(self.value, Struct):
            raise self.fault("wrong_type", wanted="an object", got=_kind(self.value))
        return self.value.get("type", lambda raw: Item(raw, self._location_of("type")).text(), "")

    def _location_of(self, key: str) -> str:
        shown = key if key.replace("-", "").isalnum() else f'"{key}"'
        return f"{self.location}.{shown}" if self.location else shown


def document(data: bytes) -> Item:
    """Parse a whole document.

    Raises:
        ConfigurationError: ``policy_json.not_json``.
    """
    try:
        return Item(decode(data))
    except GoJsonError as fault:
        reason = str(fault)
    except RecursionError:
        reason = "it is nested too deeply"
    raise ConfigurationError("policy_json.not_json", reason=reason)


def _kind(value: Any) -> str:
    kinds = {
        Struct: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return kinds.get(type(value), "a number")


def _first_token(value: Any) -> str | float | None:
    return "[" if isinstance(value, list) else value
