"""Immutable classes that are fast to define: like ``dataclass(frozen=True, slots=True)``.

The standard decorator compiles six functions for each class, which takes 0.7 ms, and a pull uses a
hundred such classes.  `frozen` compiles one, ``__init__``, and takes 0.1 ms; the other methods are
shared by all classes.  It supports only what towline needs: annotations must be strings
(``from __future__ import annotations``), and there is no ordering.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    # For type checkers the classes are dataclasses, so that they check these calls.
    from dataclasses import field, replace

__all__ = ["field", "frozen", "replace"]

T = TypeVar("T")


class _Marker:
    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_REQUIRED = _Marker("<required>")
_MADE = _Marker("<factory>")  # the default in the signature of __init__, as for dataclasses


class _Field:
    """A field: its annotation, its default, and the methods that use it."""

    __slots__ = ("annotation", "compare", "default", "factory", "hash", "repr")

    def __init__(
        self,
        default: Any,
        factory: Callable[[], Any] | None = None,
        *,
        repr: bool = True,
        compare: bool = True,
        hash: bool | None = None,
    ) -> None:
        self.annotation = ""
        self.default = default if factory is None else _MADE
        self.factory = factory
        self.repr = repr
        self.compare = compare
        self.hash = compare if hash is None else hash


class _Contents:
    """The fields of a class, and the functions that read those of a value."""

    __slots__ = ("compared", "fields", "hashed", "shown")

    def __init__(self, fields: Mapping[str, _Field]) -> None:
        self.fields = fields
        self.shown = [name for name, each in fields.items() if each.repr]
        self.compared = _getter([name for name, each in fields.items() if each.compare])
        self.hashed = _getter([name for name, each in fields.items() if each.hash])


if not TYPE_CHECKING:

    def field(*, default=_REQUIRED, default_factory=None, repr=True, compare=True, hash=None):
        """Return the settings of a field, as `dataclasses.field` does.

        Args:
            default: the content if none is given.
            default_factory: returns the content if none is given.
            repr: whether the repr shows the field.
            compare: whether values with different contents of the field differ.
            hash: whether the hash depends on the field; None: as `compare`.
        """
        return _Field(default, default_factory, repr=repr, compare=compare, hash=hash)

    def replace(value, /, **changes):
        """Return a copy of a value with changes, as `dataclasses.replace` does.

        Raises:
            TypeError: the value has no such field, or is none of the values of towline.
        """
        if not hasattr(type(value), "__frozen__"):
            raise TypeError(f"replace takes a value of towline, not {type(value).__name__}")
        return value.__replace__(**changes)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Return the class with slots and with the methods of an immutable value.

    ``__init__`` takes the fields in order, and calls ``__post_init__`` if there is one.  Values are
    equal if they are of the same class and have equal contents.  They can be hashed, copied and
    pickled.  A method that the class itself defines is kept.

    Raises:
        TypeError: a default can be changed, or precedes a field without one.
    """
    namespace = dict(cls.__dict__)
    inherited, own = _fields_of(cls)
    fields = inherited | own
    for name in (*own, "__dict__", "__weakref__"):  # a default would conflict with the slot
        namespace.pop(name, None)
    namespace["__slots__"] = tuple(name for name in own if name not in inherited)
    namespace["__match_args__"] = tuple(fields)
    namespace["__qualname__"] = cls.__qualname__
    namespace["__frozen__"] = _Contents(fields)
    if "__init__" not in namespace:
        namespace["__init__"] = _initializer(cls, fields)
    if namespace.get("__hash__") is None:  # also if the class defines only __eq__
        namespace["__hash__"] = _Methods.__hash__
    for name, method in _METHODS.items():
        namespace.setdefault(name, method)
    made: Any = type(cls)
    return cast("type[T]", made(cls.__name__, cls.__bases__, namespace))


def _fields_of(cls: type) -> tuple[dict[str, _Field], dict[str, _Field]]:
    """The fields of the bases of a class, and those that it annotates itself."""
    inherited: dict[str, _Field] = {}
    for base in cls.__mro__[:0:-1]:
        if "__frozen__" in base.__dict__:
            inherited |= base.__dict__["__frozen__"].fields
    own: dict[str, _Field] = {}
    for name, annotation in cls.__annotations__.items():
        if annotation.partition("[")[0].endswith("ClassVar"):
            continue
        given = cls.__dict__.get(name, _REQUIRED)
        own[name] = given if isinstance(given, _Field) else _Field(given)
        own[name].annotation = annotation
        if type(own[name].default).__hash__ is None:
            raise TypeError(f"{cls.__qualname__}.{name}: the default can be changed")
    return inherited, own


def _initializer(cls: type, fields: Mapping[str, _Field]) -> Callable[..., None]:
    """Compile ``__init__``; its text contains only the names of the fields."""
    defaults = [each.default for each in fields.values()]
    required = defaults.count(_REQUIRED)
    if _REQUIRED in defaults[required:]:
        raise TypeError(f"{cls.__qualname__}: a default precedes a field without one")
    body = [
        f"  _frozen_set(self, {name!r}, {name})"
        if each.factory is None
        else f"  _frozen_set(self, {name!r}, {name} if {name} is not _frozen_made"
        f" else _frozen_factories[{name!r}]())"
        for name, each in fields.items()
    ]
    if hasattr(cls, "__post_init__"):
        body.append("  self.__post_init__()")
    lines = [
        "def make(_frozen_set, _frozen_factories, _frozen_made):",
        f" def __init__({', '.join(('self', *fields))}):",
        *(body or ["  pass"]),
        " return __init__",
    ]
    scope: dict[str, Any] = {}
    # With the globals of the module of the class, in which its annotations can be evaluated.
    code = compile("\n".join(lines), f"<fields of {cls.__qualname__}>", "exec")
    exec(code, sys.modules[cls.__module__].__dict__, scope)
    factories = {name: each.factory for name, each in fields.items()}
    made = scope["make"](object.__setattr__, factories, _MADE)
    made.__defaults__ = tuple(defaults[required:])
    made.__annotations__ = {name: each.annotation for name, each in fields.items()}
    made.__annotations__["return"] = None
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return cast("Callable[..., None]", made)


def _getter(names: Sequence[str]) -> Callable[[Any], Any]:
    """A function that returns the contents of fields in a form that can be compared."""
    return attrgetter(*names) if names else lambda value: ()


class _Methods:
    """The methods that all classes share."""

    __slots__ = ()
    __frozen__: _Contents

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        contents = self.__frozen__.compared
        return self is other or bool(contents(self) == contents(other))

    def __hash__(self) -> int:
        return hash(self.__frozen__.hashed(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__frozen__.shown)
        return f"{type(self).__qualname__}({shown})"

    def __setattr__(self, name: str, content: object) -> None:
        raise AttributeError(f"{type(self).__qualname__} is immutable: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__qualname__} is immutable: cannot delete {name}")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copy and pickle the contents, without a call of ``__init__``."""
        return _restored, (type(self), *(getattr(self, name) for name in self.__frozen__.fields))

    def __replace__(self, /, **changes: Any) -> Any:
        """Return a copy with changes; `copy.replace` calls it."""
        contents = {name: getattr(self, name) for name in self.__frozen__.fields}
        return type(self)(**contents | changes)


_METHODS = {
    name: getattr(_Methods, name)
    for name in ("__eq__", "__repr__", "__setattr__", "__delattr__", "__reduce__", "__replace__")
}


def _restored(cls: type[_Methods], *contents: Any) -> Any:
    made = object.__new__(cls)
    for name, content in zip(cls.__frozen__.fields, contents, strict=True):
        object.__setattr__(made, name, content)
    return made
