"""Error codes, steps and sentences are consistent."""

from __future__ import annotations

import ast
import importlib
import pkgutil

import pytest

import towline.wording
from tests.support.source_tree import modules
from towline import errors
from towline.wording import CURRENT, LIBPOD_1_3, Wording

ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.TowlineError)
}


def literals(node: ast.expr) -> list[str]:
    """The string literals that an expression can evaluate to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return []


def calls(names: set[str]) -> list[tuple[str, str, str]]:
    """(module, called name, literal first argument) of every call of these names."""
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in names:
                    found += [(module.name, name, text) for text in literals(node.args[0])]
    return found


RAISED = calls(set(ERRORS))
TABLES = ("ARCHIVES", "CONFIGURATION", "REGISTRY", "STEPS", "STORE", "TEXTS", "_OWN")

#: What `libpod-1.3` inherits: errors that the original does not have, and its lines of progress.
INHERITED_ERRORS = {
    *("config.artifact", "layout.ambiguous", "layout.no_such_number", "transport.oci_index"),
    *("registries_conf.misplaced", "registry.anonymous"),
    *("store.blob_damaged", "store.blob_missing", "store.diff_id_count", "store.index_busy"),
    *("store.index_copies", "store.record_damaged", "verify.other_size"),
}
INHERITED_TEXTS = {
    *("copying-blob", "copying-config", "failed", "signatures", "storing-signatures"),
    "writing-manifest",
}
#: The steps that have no prefix in `libpod-1.3`.
WITHOUT_PREFIX = {"opening-store", "other-kind", "pulling", "reading-policy", "skipping-auth-file"}


@pytest.mark.parametrize("wording", [CURRENT, LIBPOD_1_3], ids=lambda wording: wording.name)
def test_every_code_has_its_sentence(wording: Wording) -> None:
    """Both editions have a sentence for every code that is raised."""
    assert {code for _, _, code in RAISED} <= set(wording.errors)


def test_both_editions_have_the_same_codes_and_texts() -> None:
    """The keys of both wordings are equal."""
    assert set(CURRENT.errors) == set(LIBPOD_1_3.errors)
    assert set(CURRENT.texts) == set(LIBPOD_1_3.texts)


def test_libpod_inherits_only_the_listed_sentences() -> None:
    """Every other error and text has its own template in the tables of `libpod-1.3`."""
    assert dict(CURRENT.errors.items() & LIBPOD_1_3.errors.items()).keys() == INHERITED_ERRORS
    assert dict(CURRENT.texts.items() & LIBPOD_1_3.texts.items()).keys() == INHERITED_TEXTS


def test_tables_are_sorted() -> None:
    """The tables of sentences are sorted by key in each module of the wording."""
    for module in pkgutil.iter_modules(towline.wording.__path__, "towline.wording."):
        for name, table in vars(importlib.import_module(module.name)).items():
            if isinstance(table, dict) and name in TABLES:
                assert list(table) == sorted(table), (module.name, name)


def test_the_area_of_a_code_belongs_to_its_class() -> None:
    """For example, ``registry.*`` is raised as a RegistryError."""
    for module, name, code in RAISED:
        assert code.partition(".")[0] in ERRORS[name].areas, (module, name, code)


def test_every_step_has_its_text() -> None:
    """Every step that the code uses has a prefix in `libpod-1.3`, except those listed above."""
    steps = {text for _, _, text in calls({"during", "step"})}
    assert steps - WITHOUT_PREFIX <= LIBPOD_1_3.steps.keys()
    assert CURRENT.steps.keys() - WITHOUT_PREFIX <= LIBPOD_1_3.steps.keys()
    assert not WITHOUT_PREFIX & LIBPOD_1_3.steps.keys()


def test_the_tree_of_errors_names_every_class() -> None:
    """The tree in the docstring of `TowlineError` is complete."""
    for name in ERRORS:
        assert name in (errors.TowlineError.__doc__ or "")
