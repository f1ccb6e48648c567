"""Properties of store references, policy scopes, editions and results."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.edition_settings import SETTINGS, setting
from tests.support.frozen_facts import FrozenFacts
from tests.support.strategies import full_names, image_texts, short_names
from towline.errors import SourceError, TowlineError, step
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.runtime.results import Attempt, PullResult
from towline.transport import ImageReference, image_name, parse_image_name
from towline.transport.containers_storage import parse_store_reference
from towline.transport.dir import DirReference
from towline.transport.docker import DockerReference
from towline.trust.evaluate import deciding_requirements
from towline.trust.policy_json import Reject, parse_policy

EDITIONS = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)
IDS = st.text("0123456789abcdef", min_size=64, max_size=64)
stored_texts = st.one_of(
    full_names,
    short_names,
    st.builds("@{}".format, IDS),
    st.builds("{}@{}".format, full_names, IDS),
    image_texts,
)


@pytest.mark.clause("TRANS-092", "STORE-020")
@given(text=stored_texts)
def test_parsing_a_formatted_store_reference_gives_an_equal_one(text: str) -> None:
    """With and without the store in the text."""
    facts = FrozenFacts()
    try:
        reference = parse_store_reference(text, facts)
    except TowlineError:
        return
    assert parse_store_reference(reference.name_and_id, facts) == reference
    formatted = image_name(reference)
    assert formatted.startswith(f"containers-storage:{facts.store}")
    assert parse_image_name(formatted, facts, Rules.CURRENT.names) == reference


@pytest.mark.clause("POLICY-010", "POLICY-011")
@EDITIONS
@given(name=full_names)
def test_every_scope_of_an_image_is_valid_and_decides(rules: Rules, name: str) -> None:
    """A policy may have the identity and each namespace as scopes; the narrowest decides."""
    own = parse_normalized(name)
    reference = DockerReference(own if own.digest else own.tagged())
    _check_scopes(reference, rules)


@pytest.mark.clause("POLICY-010", "POLICY-011")
@EDITIONS
@given(parts=st.lists(st.text("abcAB. :-é", min_size=1, max_size=6), min_size=1, max_size=4))
def test_every_scope_of_a_folder_is_valid_and_decides(rules: Rules, parts: list[str]) -> None:
    """The same for the scopes of paths."""
    path = "/" + "/".join(part for part in parts if part.strip(".") or len(part) > 2)
    if path != "/":
        _check_scopes(DirReference(path, path), rules)


def _check_scopes(reference: ImageReference, rules: Rules) -> None:
    scopes = [reference.policy_identity, *reference.policy_namespaces, ""]
    reject = [{"type": "reject"}]
    for index, scope in enumerate(scopes):
        if scope.startswith("*") and not rules.names.scope_wildcards:
            continue
        table = {other: [{"type": "insecureAcceptAnything"}] for other in scopes[index + 1 :]}
        document = {
            "default": [{"type": "insecureAcceptAnything"}],
            "transports": {reference.transport: {**table, scope: reject}},
        }
        policy = parse_policy(json.dumps(document).encode(), "policy.json", rules.trust)
        decided, requirements = deciding_requirements(policy, reference)
        assert decided == f"{reference.transport}:{scope}"
        assert requirements == (Reject(),)


def test_every_decision_differs_between_the_editions() -> None:
    """A setting with the same value in both editions would be useless."""
    old, new = Rules.LIBPOD_1_3, Rules.CURRENT
    same = [name for name, _ in SETTINGS if setting(old, name) == setting(new, name)]
    assert same == []
    assert old.edition != new.edition
    assert old.wording != new.wording


def _attempt(name: str, reason: str | None) -> Attempt:
    reference = DockerReference(parse_normalized("a.example/x").tagged())
    if reason is None:
        return Attempt(name, reference, verified=("blobs",))
    error = SourceError("archive.manifest_not_json", path=name, reason=reason)
    try:
        with step("retrieving-manifest"):
            raise error
    except SourceError as raised:
        return Attempt(name, reference, error=raised)


@given(
    images=st.lists(image_texts, max_size=3),
    reasons=st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=3),
    origin=st.text(max_size=10),
)
def test_a_result_as_json_keeps_its_values(
    images: list[str], reasons: list[str | None], origin: str
) -> None:
    """For any names and reasons the document is JSON and complete."""
    attempts = tuple(_attempt(name, why) for name, why in zip(images, reasons, strict=False))
    document = PullResult(tuple(images), attempts, origin).to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["images"] == images
    assert [each["error"] is None for each in document["attempts"]] == [
        attempt.error is None for attempt in attempts
    ]
