"""Drivers that break the protocol fail a case; they neither stop the run nor hang it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.support import tools
from tests.support.recorded_cases import case
from towline.conformance.fixtures import SPEC
from towline.conformance.protocol import BUILT_IN, Answer, Driver, DriverError, command_of
from towline.conformance.runner import Outcome, Session, Site

GREETING = '{"implementation": {"name": "n", "version": "1"}, "ops": ["decompose"]}'


def driver(*answers: str, greeting: str = GREETING) -> tuple[str, ...]:
    """A driver that says these lines whatever it is asked; `sleep` and `exit` are done."""
    program = f"""
import sys, time
for line, answer in zip(sys.stdin, {[greeting, *answers]!r}):
    if answer == "sleep":
        time.sleep(60)
    if answer == "exit":
        sys.exit("said on the way out")
    sys.stdout.write(answer + chr(10))
    sys.stdout.flush()
"""
    return (sys.executable, "-c", program)


def judged(place: Site, command: tuple[str, ...], seconds: float = 30.0) -> Outcome:
    with Session(place, command, seconds, "libpod-1.3") as session:
        return session.judge(case(name="x"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("exit", "it ended (status 1)\nsaid on the way out"),
        ("not json", "not JSON: not json"),
        ("[]", "no JSON object"),
        ("{}", "not to question 1"),
        ('{"seq": 2, "ok": {}}', "not to question 1"),
        ('{"seq": 1}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": []}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": {}, "error": {}}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "skipped": true}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": {}, "tokens": 1}', "tokens are no object"),
    ],
)
def test_nonsense_fails_the_case(quiet_site: Site, answer: str, reason: str) -> None:
    """The reason says what was wrong, and what the driver said last."""
    outcome = judged(quiet_site, driver(answer))
    assert outcome.verdict == "failed"
    assert reason in outcome.reason


def test_silence_fails_the_case(quiet_site: Site) -> None:
    """A driver may think only so long."""
    outcome = judged(quiet_site, driver("sleep"), seconds=0.5)
    assert (outcome.verdict, outcome.reason) == (
        "failed",
        "the driver: no answer within 0.5 seconds",
    )


def test_a_driver_that_broke_down_is_started_again(quiet_site: Site) -> None:
    """One bad case does not spoil those after it."""
    with Session(quiet_site, driver("exit"), 30.0, "libpod-1.3") as session:
        for _ in range(2):
            assert "said on the way out" in session.judge(case(name="x")).reason


@pytest.mark.parametrize(
    "greeting",
    ["not json", "{}", '{"ops": "decompose"}', '{"ops": [], "tokens": [1]}', "exit"],
)
def test_a_driver_that_does_not_greet_stops_the_run(quiet_site: Site, greeting: str) -> None:
    """There is nothing to judge."""
    with pytest.raises(DriverError):
        judged(quiet_site, driver(greeting=greeting))


def test_a_program_that_does_not_exist_stops_the_run(quiet_site: Site) -> None:
    """The reason names it."""
    with pytest.raises(DriverError, match=r"cannot start /no/such/driver: No such file"):
        judged(quiet_site, ("/no/such/driver",))


def test_what_is_not_offered_is_skipped(quiet_site: Site) -> None:
    """It is never asked, and never passed."""
    with Session(quiet_site, driver("exit"), 30.0, "libpod-1.3") as session:
        outcome = session.judge(case("pull", source="x"))
    assert (outcome.verdict, outcome.reason) == ("skipped", "pull is not offered")


def test_a_driver_may_skip_a_case_or_an_edition(quiet_site: Site) -> None:
    """And says why."""
    outcome = judged(quiet_site, driver('{"seq": 1, "skipped": "no such name here"}'))
    assert (outcome.verdict, outcome.reason) == ("skipped", "no such name here")
    outcome = judged(quiet_site, driver(greeting='{"skipped": "only current"}'))
    assert (outcome.verdict, outcome.reason) == ("skipped", "only current")


def test_a_driver_names_its_paths(quiet_site: Site) -> None:
    """At the start, or for one case alone."""
    wanted = case(expect={"ok": {"path": "${GRAPHROOT} ${POLICY}"}}, name="x")
    greeting = '{"ops": ["decompose"], "tokens": {"GRAPHROOT": "/graph"}}'
    said = '{"seq": 1, "ok": {"path": "/graph /policy"}, "tokens": {"POLICY": "/policy"}}'
    with Session(quiet_site, driver(said, greeting=greeting), 30.0, "libpod-1.3") as session:
        assert session.judge(wanted).verdict == "passed"


def test_what_cannot_be_shown_is_not_compared(quiet_site: Site) -> None:
    """It is named in the outcome; where nothing else is wanted, nothing was judged."""
    wanted = case(expect={"ok": {"path": "x", "tag": "y"}}, name="x")
    only = case(expect={"ok": {"tag": "y"}}, name="x")
    said = '{"seq": 1, "ok": {"path": "x"}, "unshown": ["tag", "digest"]}'
    again = said.replace('"seq": 1', '"seq": 2')
    wrong = again.replace("2", "3").replace('"path": "x"', '"path": "z"')
    with Session(quiet_site, driver(said, again, wrong), 30.0, "libpod-1.3") as session:
        outcome = session.judge(wanted)
        assert (outcome.verdict, outcome.unshown) == ("passed", ("tag",))
        outcome = session.judge(only)
        assert (outcome.verdict, outcome.reason) == ("skipped", "it cannot show tag")
        assert session.judge(wanted).verdict == "failed"


def test_answers_keep_what_stands_beside_an_error() -> None:
    """A pull that fails has written something."""
    said = '{"seq": 1, "error": {"code": "c", "message": "m"}, "writer": "Failed"}'
    with Driver(driver(said), 30.0) as running:
        running.start("libpod-1.3", Path("/"), {}, Path("/"))
        assert running.run("pull", {}) == Answer(
            error={"code": "c", "message": "m"}, beside={"writer": "Failed"}
        )


def test_the_built_in_driver_speaks_as_the_schema_says(tmp_path: Path) -> None:
    """Both directions of a short talk are lines of the protocol's schema."""
    schema = Draft202012Validator(json.loads((SPEC / "schemas" / "driver.json").read_text()))
    (tmp_path / "cwd").mkdir()
    asked = [
        {
            "cmd": "start",
            "version": 1,
            "edition": "libpod-1.3",
            "root": str(tmp_path),
            "cwd": str(tmp_path / "cwd"),
            "servers": {"REG1": "127.0.0.1:5000"},
            "store_dir": str(tmp_path),
        },
        {"cmd": "run", "seq": 1, "op": "decompose", "input": {"name": "busybox"}},
        {"cmd": "run", "seq": 2, "op": "decompose", "input": {"name": "Busybox"}},
        {"cmd": "run", "seq": 3, "op": "decompose", "input": {}},
        {"cmd": "run", "seq": 4, "op": "no_such_operation", "input": {}},
    ]
    done = subprocess.run(
        BUILT_IN,
        input="".join(json.dumps(line) + "\n" for line in asked),
        capture_output=True,
        text=True,
        check=True,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    for line in (*asked, *said):
        schema.validate(line)
    kinds = [{"ok", "error", "crashed", "skipped"} & answer.keys() for answer in said[1:]]
    assert kinds == [{"ok"}, {"error"}, {"crashed"}, {"skipped"}]


def stubs() -> dict[str, str]:
    """The programs in the page on the protocol, by their language."""
    blocks = (SPEC / "driver.md").read_text().split("```")[1::2]
    named = (block.partition("\n") for block in blocks)
    return {name: text for name, _, text in named if name in ("python", "sh")}


@pytest.mark.parametrize(("language", "shell"), [("python", sys.executable), ("sh", "sh")])
def test_the_stubs_of_the_page_work(
    quiet_site: Site, tmp_path: Path, language: str, shell: str
) -> None:
    """Whoever copies one has a driver."""
    if language == "sh":
        tools.require("jq")
    stub = tmp_path / "stub"
    stub.write_text(stubs()[language])
    with Session(quiet_site, (shell, str(stub)), 30.0, "libpod-1.3") as session:
        assert session.greeting.name == "stub"
        for _ in range(2):
            outcome = session.judge(case(expect={"error": {"any": True}}, name="x"))
            assert (outcome.verdict, outcome.reason) == ("passed", "")


def test_the_built_in_driver_is_a_command_like_any_other() -> None:
    """`towline` names it; anything else is split into words as a shell does."""
    assert command_of("towline") == BUILT_IN
    assert command_of("env A='b c' prog") == ("env", "A=b c", "prog")
