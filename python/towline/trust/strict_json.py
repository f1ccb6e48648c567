"""JSON read strictly: policy.json decides what may run, so nothing in it is skipped over.

Unknown, missing and repeated keys are errors, keys are matched exactly, and every fault says at
which place in the document it is.  (POLICY-020 to POLICY-024)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from towline.errors import ConfigurationError
from towline.go import go_base64
from towline.go.go_json import GoJsonError, Struct, decode

__all__ = ["Item", "document"]


@dataclass(frozen=True, slots=True)
class Item:
    """A value in the document, and its place there.

    Attributes:
        value: as `towline.go.go_json.decode` gives it.
        place: such as ``transports.docker."example.com"[0]``, ``""`` for the whole.
    """

    value: Any
    place: str = ""

    def fault(self, code: str, **facts: Any) -> ConfigurationError:
        """An error about this value."""
        return ConfigurationError(f"policy_json.{code}", place=self.place or "top level", **facts)

    def fields(self, known: Callable[[str], bool]) -> Iterator[tuple[str, Item]]:
        """The fields of an object in their order; each key is known, and there once.

        Faults come in the order of the document: those of a field's value, which the caller finds
        while it iterates, before those of the next key.

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
            yield key, Item(value, self._placed(key))

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
        return [Item(item, f"{self.place}[{index}]") for index, item in enumerate(self.value)]

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
        """A string that is base64, as it stands; ``null`` is an empty one.

        Raises:
            ConfigurationError: ``policy_json.wrong_type`` or ``.not_base64``.
        """
        text = self.text()
        try:
            go_base64.decode(text)
        except go_base64.Base64Fault as fault:
            raise self.fault("not_base64", offset=fault.offset) from None
        return text

    def type(self) -> str:
        """What the ``type`` of an object says, before its keys are looked at strictly.

        This reading is as lenient as the original's: the case of the key does not matter here,
        and a ``null`` in place of the object reads as an empty one.

        Raises:
            ConfigurationError: ``policy_json.wrong_type``.
        """
        if self.value is None:
            return ""
        if not isinstance(self.value, Struct):
            raise self.fault("wrong_type", wanted="an object", got=_kind(self.value))
        return self.value.get("type", lambda raw: Item(raw, self._placed("type")).text(), "")

    def _placed(self, key: str) -> str:
        shown = key if key.replace("-", "").isalnum() else f'"{key}"'
        return f"{self.place}.{shown}" if self.place else shown


def document(data: bytes) -> Item:
    """Read a whole document.

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
