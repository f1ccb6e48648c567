"""`towline.frozen` agrees with ``dataclass(frozen=True, slots=True)``, which is the reference."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as standard_field
from dataclasses import replace as standard_replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.source_tree import modules
from towline.frozen import field, frozen, replace

NAMES = ("a", "b", "_c", "self_", "items")
CONTENTS = st.sampled_from([0, 1, "x", (), None])
SETTINGS = st.fixed_dictionaries(
    {}, optional={"repr": st.booleans(), "compare": st.booleans(), "hash": st.booleans()}
)
Plan = list[tuple[str, str, Any]]  # of each field: its name, its form, its settings


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """The fields of a class; those without a default come first."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    forms = draw(st.lists(st.sampled_from(["plain", "default", "factory"])))
    made: Plan = []
    for name, form in zip(names, forms, strict=False):
        plain = form == "plain" and all(each[1] == "plain" for each in made)
        made.append(
            (
                name,
                "plain" if plain else "factory" if form == "factory" else "default",
                draw(SETTINGS),
            )
        )
    return made


def both(plan: Plan) -> tuple[Any, Any]:
    """Two classes with these fields: the standard one and ours, with one name."""
    made: list[Any] = []
    decorators: list[tuple[Any, Any]] = [
        (dataclass(frozen=True, slots=True), standard_field),
        (frozen, field),
    ]
    for decorator, specify in decorators:
        body: dict[str, Any] = {
            "__module__": __name__,
            "__annotations__": {name: "Any" for name, _, _ in plan} | {"shared": "ClassVar[int]"},
            "shared": 7,
        }
        for name, form, settings in plan:
            given: dict[str, Any] = dict(settings)
            if form == "default":
                given["default"] = 5
            elif form == "factory":
                given["default_factory"] = list
            if given:
                body[name] = specify(**given)
        made.append(decorator(type("Made", (), body)))
    return made[0], made[1]


def outcome(function: Callable[..., Any], *positional: Any, **named: Any) -> Any:
    """The result of a call, or TypeError if it raises that."""
    try:
        return function(*positional, **named)
    except TypeError:
        return TypeError


def contents(value: Any) -> Any:
    """The contents of all fields; TypeError for itself."""
    return value if value is TypeError else [getattr(value, each) for each in value.__match_args__]


CHANGES = st.dictionaries(st.sampled_from([*NAMES, "none"]), CONTENTS, max_size=2)


@given(plans(), st.data())
def test_it_agrees_with_the_standard_decorator(plan: Plan, data: st.DataObject) -> None:
    """Calls, equality, hashes, texts, changes, signatures and type hints."""
    standard, ours = both(plan)
    pairs = []
    for _ in range(2):
        positional = data.draw(st.lists(CONTENTS, max_size=len(plan) + 1))
        named = data.draw(CHANGES)
        theirs, own = (outcome(cls, *positional, **named) for cls in (standard, ours))
        assert contents(theirs) == contents(own)
        if own is not TypeError:
            pairs.append((theirs, own))
    for theirs, own in pairs:
        assert repr(theirs) == repr(own)
        assert theirs != own
        assert (outcome(hash, theirs) is TypeError) == (outcome(hash, own) is TypeError)
        for theirs_2, own_2 in pairs:
            assert (theirs == theirs_2) == (own == own_2)
            assert (outcome(hash, theirs) == outcome(hash, theirs_2)) == (
                outcome(hash, own) == outcome(hash, own_2)
            )
        changes = data.draw(CHANGES)
        changed = outcome(standard_replace, theirs, **changes), outcome(replace, own, **changes)
        assert contents(changed[0]) == contents(changed[1])
        for name in (*NAMES, "none"):
            with pytest.raises(AttributeError, match="immutable"):
                setattr(own, name, 1)
            with pytest.raises(AttributeError, match="immutable"):
                delattr(own, name)
        assert not hasattr(own, "__dict__")
    assert standard.__match_args__ == ours.__match_args__
    assert str(inspect.signature(standard)) == str(inspect.signature(ours))
    assert typing.get_type_hints(standard.__init__) == typing.get_type_hints(ours.__init__)
    assert ours.shared == 7


@given(plans(), st.data())
def test_values_are_copied_and_pickled(plan: Plan, data: st.DataObject) -> None:
    """With every protocol, and without a call of ``__init__``."""
    _, ours = both(plan)
    globals()["Made"] = ours  # pickle finds a class by its name
    value = ours(*data.draw(st.lists(CONTENTS, min_size=len(plan), max_size=len(plan))))
    copies = [copy.copy(value), copy.deepcopy(value)]
    copies += [pickle.loads(pickle.dumps(value, number)) for number in range(6)]
    assert all(contents(each) == contents(value) for each in copies)


@frozen
class Base:
    """A value with a default and a class variable."""

    kind: ClassVar[str] = "base"
    first: int
    second: str = "two"


@frozen
class Sub(Base):
    """A subclass with another default and a further field."""

    kind: ClassVar[str] = "sub"
    second: str = "zwei"
    third: tuple[int, ...] = ()


@frozen
class Checked:
    """A value that checks itself, and whose text is its own."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("negative")

    def __repr__(self) -> str:
        return "<Checked>"


def test_a_subclass_has_the_fields_of_its_base() -> None:
    """In the order of the base; equality needs the same class."""
    value = Sub(1, third=(3,))
    assert repr(value) == "Sub(first=1, second='zwei', third=(3,))"
    assert (Base(1).second, Base.kind, Sub.kind) == ("two", "base", "sub")
    assert Sub(1, "two") != Base(1)
    assert pickle.loads(pickle.dumps(value)) == value
    match value:
        case Base(first, second):
            assert (first, second) == (1, "zwei")


def test_a_check_and_a_text_of_the_class_are_used() -> None:
    """A copy with changes is checked too; unpickling does not check again."""
    assert repr(Checked(1)) == "<Checked>"
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Checked(1), count=-1)
    assert copy.deepcopy(Checked(1)) == Checked(1)
    assert outcome(replace, Checked(1), other=1) is TypeError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"__annotations__": {"a": "Any"}, "a": []}, "can be changed"),
        ({"__annotations__": {"a": "Any", "b": "Any"}, "a": 1}, "precedes"),
    ],
)
def test_a_wrong_definition_is_refused(body: Mapping[str, Any], message: str) -> None:
    """A default that can be changed, and one before a field without a default."""
    with pytest.raises(TypeError, match=message):
        frozen(type("Wrong", (), {"__module__": __name__, **body}))


def frozen_classes() -> Iterator[Any]:
    """Every class of towline that is defined with `frozen`."""
    for module in modules():
        if ".conformance" not in module.name and "__main__" not in module.name:
            for found in vars(__import__(module.name, fromlist=["_"])).values():
                if isinstance(found, type) and "__frozen__" in vars(found):
                    yield found


def test_every_class_of_towline_has_a_signature() -> None:
    """`help` and editors read it."""
    found = set(frozen_classes())
    assert len(found) > 100
    for each in found:
        inspect.signature(each)
        assert each.__doc__ or each.__name__.startswith("_")
