"""Properties of transports and goals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frozen_facts import FrozenFacts
from tests.support.strategies import full_names, image_texts, registries, short_names
from towline.errors import ConfigurationError, TowlineError
from towline.goal import How, goal_from_name
from towline.name.parts import decompose
from towline.rules import Rules
from towline.transport import image_name, parse_image_name
from towline.transport.facts import ConfigEntry

EDITIONS = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)


@pytest.mark.clause("ERR-001")
@EDITIONS
@given(text=image_texts)
def test_any_text_gives_a_goal_or_a_typed_error(rules: Rules, text: str) -> None:
    """Goal building raises nothing but TowlineError, which has a message in either wording."""
    facts = FrozenFacts(registries=("docker.io", "example.com:5000/ns"))
    message = ""
    try:
        goal = goal_from_name(text, facts, rules.names)
    except TowlineError as error:
        message = error.render(rules.wording)
    else:
        assert goal.to_json()["pairs"]
        return
    assert message or not text


@EDITIONS
@given(text=image_texts)
def test_parsing_a_formatted_image_reference_gives_an_equal_one(rules: Rules, text: str) -> None:
    """Parsing the output of `image_name` gives an equal reference."""
    facts = FrozenFacts()
    try:
        reference = parse_image_name(text, facts, rules.names)
    except TowlineError:
        return
    assert parse_image_name(image_name(reference), facts, rules.names) == reference


@pytest.mark.clause("GOAL-031", "GOAL-033")
@EDITIONS
@given(name=short_names, searched=registries)
def test_pairs_follow_the_search_registries(
    rules: Rules, name: str, searched: Sequence[str]
) -> None:
    """One pair for each registry, in the order of the configuration, including repeats."""
    parts = decompose(name)
    if parts.has_registry:
        return
    facts = FrozenFacts(registries=searched)
    goal = goal_from_name(name, facts, rules.names)
    assert [pair.image for pair in goal.pairs] == [
        str(parts.reference_with_registry(registry)) for registry in searched
    ]
    assert goal.used_search_registries
    assert goal.searched_registries == (tuple(searched) or None)
    assert not goal.pull_all_pairs


@pytest.mark.clause("GOAL-030")
@EDITIONS
@given(name=full_names)
def test_a_full_name_is_one_pair_and_reads_no_configuration(rules: Rules, name: str) -> None:
    """An invalid registries.conf does not affect a qualified name."""
    facts = FrozenFacts(registries=ConfigurationError("registries_conf.unreadable", path="x"))
    goal = goal_from_name(name, facts, rules.names)
    assert [pair.image for pair in goal.pairs] == [name]
    assert "search_registries" not in facts.questions
    assert not goal.used_search_registries


TAGS = st.lists(st.one_of(short_names, full_names), max_size=4)


@pytest.mark.clause("GOAL-011", "GOAL-012")
@given(TAGS)
def test_every_name_of_an_archive_becomes_a_pair(names: Sequence[str]) -> None:
    """All RepoTags are pulled; one without a registry gets the registry localhost."""
    facts = FrozenFacts(archives={"x.tar": [names]})
    goal = goal_from_name("docker-archive:x.tar", facts, Rules.LIBPOD_1_3.names)
    if not names:
        assert [pair.image for pair in goal.pairs] == ["@" + "c" * 64]
        assert not goal.pull_all_pairs
        return
    assert goal.pull_all_pairs
    assert [pair.image for pair in goal.pairs] == [
        name if decompose(name).has_registry else f"localhost/{name}" for name in names
    ]


@pytest.mark.clause("GOAL-011")
def test_several_images_in_one_archive() -> None:
    """libpod-1.3 pulls the names of the first image only; the current edition every image."""
    archives = {"x.tar": [["one:1", "one:2"], [], ["two:1"]]}
    configs = {"docker-archive:x.tar": "d" * 64}

    def images(rules: Rules) -> list[str]:
        facts = FrozenFacts(archives=archives, configs=configs)
        goal = goal_from_name("docker-archive:x.tar", facts, rules.names)
        assert goal.pull_all_pairs
        return [pair.image for pair in goal.pairs]

    assert images(Rules.LIBPOD_1_3) == ["localhost/one:1", "localhost/one:2"]
    assert images(Rules.CURRENT) == [
        "localhost/one:1",
        "localhost/one:2",
        "@" + "d" * 64,
        "localhost/two:1",
    ]


@pytest.mark.clause("GOAL-018", "TRANS-023")
@given(st.lists(TAGS, max_size=4), st.integers(0, 5))
def test_an_index_chooses_one_image_of_an_archive(archive: list[list[str]], index: int) -> None:
    """All its names are pulled; an unnamed or missing item gets a name from its config."""
    source = f"docker-archive:x.tar:@{index}"
    facts = FrozenFacts(archives={"x.tar": archive}, configs={source: "d" * 64})
    goal = goal_from_name(source, facts, Rules.CURRENT.names)
    names = archive[index] if index < len(archive) else []
    assert {image_name(pair.source) for pair in goal.pairs} == {source}
    assert len(goal.pairs) == max(1, len(names))
    assert goal.pull_all_pairs == bool(names)
    if not names:
        assert goal.pairs[0].image == "@" + "d" * 64


@pytest.mark.clause("GOAL-035")
@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("docker.io/library/x", []),
        ("docker://x", []),
        ("x", ["alias x", "search_registries"]),
        ("dir:/a/b", ["resolve_path /a/b"]),
        ("oci:l:name", ["resolve_path l", "layout_names l:name"]),
        (
            "oci-archive:a.tar",
            ["resolve_path a.tar", "layout_names a.tar:", "config_hex oci-archive:a.tar:"],
        ),
        ("docker-archive:a.tar", ["archive_images a.tar", "config_hex docker-archive:a.tar"]),
        ("tarball:a:b", ["open_file a", "open_file b"]),
        ("containers-storage:abc", ["image_id abc"]),
    ],
)
def test_the_order_in_which_facts_are_read(text: str, questions: list[str]) -> None:
    """The facts that are read, and their order, decide which error a user sees."""
    facts = FrozenFacts(registries=("docker.io",))
    goal_from_name(text, facts, Rules.CURRENT.names)
    assert facts.questions == questions


@pytest.mark.clause("GOAL-001")
def test_a_directory_whose_parent_is_missing_becomes_a_short_name() -> None:
    """Text that its transport rejects is tried as a name, for any reason (GOAL-001)."""
    facts = FrozenFacts(registries=("example.com",), missing_paths=["gone"])
    goal = goal_from_name("dir:gone", facts, Rules.CURRENT.names)
    assert [pair.image for pair in goal.pairs] == ["example.com/dir:gone"]


@pytest.mark.clause("GOAL-002")
def test_the_error_of_the_transport_if_the_text_is_not_a_name() -> None:
    """The current edition keeps the transport's error; libpod-1.3 loses it (GOAL-002)."""
    for rules, part in ((Rules.CURRENT, "lower case"), (Rules.LIBPOD_1_3, "reference format")):
        with pytest.raises(TowlineError) as caught:
            goal_from_name("docker://Busybox", FrozenFacts(), rules.names)
        assert part in caught.value.render(rules.wording)


OWN_NAME = [["localhost/x:1"]]
ENTRY = ConfigEntry("unqualified-search-registries", "/registries.conf")


@pytest.mark.clause("GOAL-036")
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.example/x", How("full-name")),
        ("docker://a.example/x", How("transport")),
        ("dir:/x", How("transport")),
        ("x", How("search", (ENTRY,))),
        ("short:1", How("alias", (ConfigEntry('[aliases] "short"', "/registries.conf"),))),
        ("docker-archive:named.tar", How("archive-name")),
        ("docker-archive:nameless.tar", How("transport")),
        ("docker-archive:named.tar:localhost/x:1", How("transport")),
        ("docker-archive:named.tar:@0", How("archive-name")),
        ("oci-archive:named.tar", How("archive-name")),
        ("oci-archive:nameless.tar", How("transport")),
        ("oci:/named", How("archive-name")),
        ("oci:/nameless", How("transport")),
        ("tarball:/x.tar", How("transport")),
    ],
)
def test_a_goal_has_its_reason(name: str, how: How) -> None:
    """The kind of the name, and the entries of registries.conf that decided."""
    facts = FrozenFacts(
        registries=("a.example",),
        aliases={"short": "a.example/long"},
        archives={"named.tar": OWN_NAME, "nameless.tar": [[]]},
        layouts={"named.tar": "x:1", "nameless.tar": "", "/named": "x:1", "/nameless": ""},
    )
    goal = goal_from_name(name, facts, Rules.CURRENT.names)
    assert goal.how == how
    assert goal.used_search_registries == (how.kind == "search")


TAG_WORDS = st.sampled_from(["", "latest", "v1", "3.20", "Release_1"])
PATHS = st.from_regex(r"/?[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}", fullmatch=True)


@pytest.mark.clause("GOAL-020")
@given(st.lists(PATHS, min_size=2, max_size=5, unique_by=lambda path: path.lstrip("/")), TAG_WORDS)
def test_layouts_of_one_tag_have_different_names(paths: list[str], tag: str) -> None:
    """No layout takes the name of another one, whatever single word their annotations are."""
    facts = FrozenFacts(layouts=dict.fromkeys(paths, tag))
    found = [goal_from_name(f"oci:{path}", facts, Rules.CURRENT.names).pairs for path in paths]
    assert [pair.destination.name_and_id for (pair,) in found] == [
        f"localhost/{path.lstrip('/')}:{tag or 'latest'}" for path in paths
    ]
