"""Drivers that break the protocol: the case fails, and the run continues."""

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
    """A driver that writes these lines for any input; `sleep` and `exit` are executed."""
    program = f"""
import sys, time
for line, answer in zip(sys.stdin, {[greeting, *answers]!r}):
    if answer == "sleep":
        time.sleep(60)
    if answer == "exit":
        sys.exit("message at exit")
    sys.stdout.write(answer + chr(10))
    sys.stdout.flush()
"""
    return (sys.executable, "-c", program)


def outcome_of(site: Site, command: tuple[str, ...], seconds: float = 30.0) -> Outcome:
    with Session(site, command, seconds, "libpod-1.3") as session:
        return session.judge(case(name="x"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("exit", "it exited (status 1)\nmessage at exit"),
        ("not json", "not JSON: not json"),
        ("[]", "not a JSON object"),
        ("{}", "the seq of the answer is not 1"),
        ('{"seq": 2, "ok": {}}', "the seq of the answer is not 1"),
        ('{"seq": 1}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": []}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": {}, "error": {}}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "skipped": true}', "neither ok nor error nor skipped"),
        ('{"seq": 1, "ok": {}, "tokens": 1}', "tokens is not an object"),
    ],
)
def test_an_invalid_answer_fails_the_case(quiet_site: Site, answer: str, reason: str) -> None:
    """The reason has the fault, and the end of the driver's standard error."""
    outcome = outcome_of(quiet_site, driver(answer))
    assert outcome.verdict == "failed"
    assert reason in outcome.reason


def test_a_timeout_fails_the_case(quiet_site: Site) -> None:
    """The reason has the number of seconds."""
    outcome = outcome_of(quiet_site, driver("sleep"), seconds=0.5)
    assert (outcome.verdict, outcome.reason) == (
        "failed",
        "the driver: no answer within 0.5 seconds",
    )


def test_a_failed_driver_is_started_again(quiet_site: Site) -> None:
    """The next case gets a new driver process."""
    with Session(quiet_site, driver("exit"), 30.0, "libpod-1.3") as session:
        for _ in range(2):
            assert "message at exit" in session.judge(case(name="x")).reason


@pytest.mark.parametrize(
    "greeting",
    ["not json", "{}", '{"ops": "decompose"}', '{"ops": [], "tokens": [1]}', "exit"],
)
def test_an_invalid_greeting_stops_the_run(quiet_site: Site, greeting: str) -> None:
    """Without a greeting no case can run."""
    with pytest.raises(DriverError):
        outcome_of(quiet_site, driver(greeting=greeting))


def test_a_program_that_does_not_exist_stops_the_run(quiet_site: Site) -> None:
    """The error has the command and the reason."""
    with pytest.raises(DriverError, match=r"cannot start /no/such/driver: No such file"):
        outcome_of(quiet_site, ("/no/such/driver",))


def test_an_operation_that_is_not_offered_is_skipped(quiet_site: Site) -> None:
    """The case is not sent to the driver and does not count as passed."""
    with Session(quiet_site, driver("exit"), 30.0, "libpod-1.3") as session:
        outcome = session.judge(case("pull", source="x"))
    assert (outcome.verdict, outcome.reason) == ("skipped", "pull is not offered")


def test_a_driver_may_skip_a_case_or_an_edition(quiet_site: Site) -> None:
    """The outcome has the reason of the driver."""
    outcome = outcome_of(quiet_site, driver('{"seq": 1, "skipped": "no such name here"}'))
    assert (outcome.verdict, outcome.reason) == ("skipped", "no such name here")
    outcome = outcome_of(quiet_site, driver(greeting='{"skipped": "only current"}'))
    assert (outcome.verdict, outcome.reason) == ("skipped", "only current")


def test_a_driver_sends_tokens_for_its_paths(quiet_site: Site) -> None:
    """Tokens are sent with the greeting, or with the answer to one case."""
    wanted = case(expect={"ok": {"path": "${GRAPHROOT} ${POLICY}"}}, name="x")
    greeting = '{"ops": ["decompose"], "tokens": {"GRAPHROOT": "/graph"}}'
    answer = '{"seq": 1, "ok": {"path": "/graph /policy"}, "tokens": {"POLICY": "/policy"}}'
    with Session(quiet_site, driver(answer, greeting=greeting), 30.0, "libpod-1.3") as session:
        assert session.judge(wanted).verdict == "passed"


def test_unshown_fields_are_not_compared(quiet_site: Site) -> None:
    """The outcome lists them; a case with no other expected field is skipped."""
    wanted = case(expect={"ok": {"path": "x", "tag": "y"}}, name="x")
    only = case(expect={"ok": {"tag": "y"}}, name="x")
    first = '{"seq": 1, "ok": {"path": "x"}, "unshown": ["tag", "digest"]}'
    second = first.replace('"seq": 1', '"seq": 2')
    third = second.replace("2", "3").replace('"path": "x"', '"path": "z"')
    with Session(quiet_site, driver(first, second, third), 30.0, "libpod-1.3") as session:
        outcome = session.judge(wanted)
        assert (outcome.verdict, outcome.unshown) == ("passed", ("tag",))
        outcome = session.judge(only)
        assert (outcome.verdict, outcome.reason) == ("skipped", "not shown: tag")
        assert session.judge(wanted).verdict == "failed"


def test_an_answer_keeps_the_fields_next_to_an_error() -> None:
    """A failed pull also has ``writer``."""
    answer = '{"seq": 1, "error": {"code": "c", "message": "m"}, "writer": "Failed"}'
    with Driver(driver(answer), 30.0) as running:
        running.start("libpod-1.3", Path("/"), {}, Path("/"))
        assert running.run("pull", {}) == Answer(
            error={"code": "c", "message": "m"}, extra={"writer": "Failed"}
        )


def test_messages_of_the_built_in_driver_match_the_schema(tmp_path: Path) -> None:
    """The lines in both directions are valid under the schema of the protocol."""
    schema = Draft202012Validator(json.loads((SPEC / "schemas" / "driver.json").read_text()))
    (tmp_path / "cwd").mkdir()
    messages = [
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
        input="".join(json.dumps(line) + "\n" for line in messages),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for line in (*messages, *answers):
        schema.validate(line)
    kinds = [{"ok", "error", "crashed", "skipped"} & answer.keys() for answer in answers[1:]]
    assert kinds == [{"ok"}, {"error"}, {"crashed"}, {"skipped"}]


def stubs() -> dict[str, str]:
    """The example programs of ``spec/driver.md``, by language."""
    blocks = (SPEC / "driver.md").read_text().split("```")[1::2]
    named = (block.partition("\n") for block in blocks)
    return {name: text for name, _, text in named if name in ("python", "sh")}


@pytest.mark.parametrize(("language", "shell"), [("python", sys.executable), ("sh", "sh")])
def test_the_stubs_of_the_documentation_work(
    quiet_site: Site, tmp_path: Path, language: str, shell: str
) -> None:
    """Each stub in ``spec/driver.md`` is a working driver."""
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
    """`towline` selects the built-in driver; other text is split like a shell command."""
    assert command_of("towline") == BUILT_IN
    assert command_of("env A='b c' prog") == ("env", "A=b c", "prog")
