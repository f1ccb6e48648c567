"""The editions of the rules: their names, their repr, and pickling."""

from __future__ import annotations

import copy
import pickle

import pytest

from tests.support.edition_settings import changed
from towline.rules import Rules
from towline.wording import CURRENT, LIBPOD_1_3, Wording

EDITIONS = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@EDITIONS
def test_an_edition_is_found_by_its_name_and_shown_by_it(rules: Rules) -> None:
    """The repr is short, and says how to get the edition."""
    assert Rules.named(rules.edition) is rules
    assert repr(rules) == f"Rules.named('{rules.edition}')"


def test_no_edition_has_another_name() -> None:
    """An unknown name is an error."""
    with pytest.raises(KeyError):
        Rules.named("2019")


@EDITIONS
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickled_edition_is_the_same_object(rules: Rules, protocol: int) -> None:
    """Its wording, which has functions, is not pickled."""
    assert pickle.loads(pickle.dumps(rules, protocol)) is rules
    assert copy.deepcopy(rules) is rules


@EDITIONS
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_other_rules_are_pickled_by_value(rules: Rules, protocol: int) -> None:
    """The settings are kept, and the wording is that of the edition."""
    other = changed(rules, "retries", 7)
    found = pickle.loads(pickle.dumps(other, protocol))
    assert found == other
    assert found.limits.retries == 7
    assert found.wording is rules.wording


@EDITIONS
def test_the_repr_of_other_rules_shows_the_difference(rules: Rules) -> None:
    """Only the slice that differs from the edition."""
    other = changed(rules, "retries", 7)
    assert repr(other) == f"replace(Rules.named('{rules.edition}'), limits={other.limits!r})"


@pytest.mark.parametrize("wording", [CURRENT, LIBPOD_1_3], ids=lambda wording: wording.name)
def test_a_pickled_wording_is_the_same_object(wording: Wording) -> None:
    """It is pickled by its name, because its tables have functions."""
    assert pickle.loads(pickle.dumps(wording)) is wording
    assert copy.deepcopy(wording) is wording
    assert repr(wording) == f"Wording.named({wording.name!r})"
