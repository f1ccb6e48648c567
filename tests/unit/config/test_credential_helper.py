"""Credential helpers: the protocol, and errors of helpers."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from towline.config import credential_helper
from towline.config.credential_helper import ask_helper
from towline.config.credentials import AuthLookup, explain_credentials, find_credentials
from towline.config.locations import Locations
from towline.errors import ConfigurationError
from towline.registry.credentials import Credentials
from towline.rules import Rules

NEW, OLD = Rules.CURRENT, Rules.LIBPOD_1_3
SECRET = "not-to-be-shown"
ANSWER = json.dumps({"ServerURL": "e.x", "Username": "u", "Secret": SECRET})


class Machine:
    """A machine with its own helpers, which are shell scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root / "home"), "PATH": f"{root / 'bin'}:/usr/bin:/bin"}
        (root / "bin").mkdir()

    def helper(self, name: str, script: str) -> None:
        path = self.root / "bin" / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def auth(self, path: str = "run/containers/0/auth.json", **document: object) -> str:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
        return str(file)

    @property
    def locations(self) -> Locations:
        etc, run, var = (str(self.root / name) for name in ("etc", "run", "var"))
        return Locations(environ=self.environ, etc=etc, run=run, uid=0, var=var)

    def ask(self, name: str = "h", server: str = "e.x") -> Credentials | None:
        return ask_helper(name, server, self.environ, origin="auth.json", seconds=5)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.clause("AUTH-011")
def test_the_protocol(machine: Machine) -> None:
    """`get`, the host on standard input, an object on standard output."""
    seen = machine.root / "seen"
    machine.helper("h", f"printf %s \"$*\" > {seen}; cat >> {seen}; echo '{ANSWER}'")
    assert machine.ask(server="e.x:5000") == Credentials("u", SECRET)
    assert seen.read_text() == "gete.x:5000"


@pytest.mark.clause("AUTH-011")
def test_an_identity_token(machine: Machine) -> None:
    """With the user `<token>` the secret is an identity token."""
    machine.helper("h", """echo '{"Username": "<token>", "Secret": "t"}'""")
    assert machine.ask() == Credentials("", "", "t")


@pytest.mark.clause("AUTH-011")
def test_a_helper_without_credentials(machine: Machine) -> None:
    """This is not an error, nor is an empty response."""
    machine.helper("h", "echo 'credentials not found in native keychain'; exit 1")
    assert machine.ask() is None
    machine.helper("h", "echo '{}'")
    assert machine.ask() is None


@pytest.mark.clause("AUTH-012")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"echo '{SECRET}'; echo '{SECRET}' >&2; exit 3", "auth.helper_failed"),
        (f"echo '{SECRET}'", "auth.helper_output"),
        (f"""echo '{{"Secret": "{SECRET}" x'""", "auth.helper_output"),
        (f"""echo '["{SECRET}"]'""", "auth.helper_output"),
        (f"""echo '{{"Secret": 5, "Username": "{SECRET}"}}'""", "auth.helper_output"),
        (f"yes {SECRET}", "auth.helper_output"),
        ("exec 1>&- ; sleep 60", "auth.helper_slow"),
        ("sleep 60", "auth.helper_slow"),
        ("sleep 60 & sleep 60", "auth.helper_slow"),
    ],
)
def test_errors_of_helpers(machine: Machine, script: str, code: str) -> None:
    """Each has its code, soon, and the error does not contain the output of the helper."""
    machine.helper("h", script)
    with pytest.raises(ConfigurationError) as caught:
        ask_helper("h", "e.x", machine.environ, origin="auth.json", seconds=0.5)
    # `yes` ends because the pipe is closed, or because of the signal.
    assert caught.value.code in {code, "auth.helper_failed"}
    for output in (str(caught.value), caught.value.render(OLD.wording), repr(caught.value.facts)):
        assert SECRET not in output
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["none-such", "", "../h", "a/b", "a\0b"])
def test_a_missing_helper(machine: Machine, name: str) -> None:
    """Only the PATH is searched, so a file cannot name another program."""
    with pytest.raises(ConfigurationError) as caught:
        machine.ask(name)
    assert caught.value.code == "auth.helper_missing"


@pytest.mark.clause("AUTH-012")
def test_the_environment_of_a_helper(machine: Machine) -> None:
    """It gets the variables of the user, without those that change how programs are loaded."""
    machine.environ |= {"AWS_PROFILE": "p", "LD_PRELOAD": "/x.so", "PYTHONPATH": "/x"}
    os.environ["TOWLINE_TEST_ONLY"] = "not of these places"
    try:
        machine.helper("h", f"env > {machine.root}/env; pwd >> {machine.root}/env; echo '{ANSWER}'")
        machine.ask()
    finally:
        del os.environ["TOWLINE_TEST_ONLY"]
    seen = (machine.root / "env").read_text().splitlines()
    assert "AWS_PROFILE=p" in seen
    assert f"HOME={machine.root}/home" in seen
    assert not [line for line in seen if line.startswith(("LD_", "PYTHON", "TOWLINE_"))]
    assert seen[-1] == "/"


@pytest.mark.clause("AUTH-012")
def test_processes_of_a_helper_are_killed(machine: Machine) -> None:
    """The whole process group is killed, also after a valid response."""
    machine.helper("h", f"sleep 60 >/dev/null & echo $! > {machine.root}/pid; echo '{ANSWER}'")
    assert machine.ask() is not None
    process = Path("/proc") / (machine.root / "pid").read_text().strip() / "stat"
    state = ""
    for _ in range(1000):  # until the signal is delivered
        try:
            state = process.read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in {"Z", "X"}:
            return
        time.sleep(0.01)
    raise AssertionError(state)


@pytest.mark.parametrize("rules", [NEW, OLD], ids=lambda rules: rules.edition)
def test_the_helper_of_a_host(machine: Machine, rules: Rules) -> None:
    """`credHelpers` replaces the entry in the same file, even if the helper has no credentials."""
    machine.helper("h", f"read host; [ $host = e.x ] && echo '{ANSWER}'")
    first = machine.auth(
        "home/.docker/config.json",
        credHelpers={"e.x": "h"},
        auths={"e.x": {"auth": "bzpw"}, "f.x": {"auth": "bzpw"}},
    )
    lookups: list[AuthLookup] = []
    found = find_credentials(machine.locations, rules.config, "e.x/a/b", lookups=lookups)
    assert found == Credentials("u", SECRET)
    assert lookups[-1] == AuthLookup(first, "found", "e.x", "docker-credential-h", "u")
    found = find_credentials(machine.locations, rules.config, "f.x/a")
    assert found is not None
    assert found.username == "o"
    machine.helper("h", "echo 'credentials not found in native keychain'; exit 1")
    assert find_credentials(machine.locations, rules.config, "e.x/a/b") is None


@pytest.mark.clause("AUTH-013")
def test_the_credentials_store(machine: Machine) -> None:
    """It is used if the file has no entry; the name of Docker Hub is a URL there."""
    log = machine.root / "requested"
    machine.helper("s", f"read host; echo $host >> {log}; echo '{ANSWER}'")
    machine.auth(
        "home/.docker/config.json",
        credsStore="s",
        auths={"e.x": {"auth": "bzpw"}, "docker.io": {}},
    )
    assert find_credentials(machine.locations, NEW.config, "docker.io/library/x") is not None
    own = find_credentials(machine.locations, NEW.config, "e.x/x")
    assert own is not None
    assert own.username == "o"
    assert log.read_text().split() == ["https://index.docker.io/v1/"]
    assert find_credentials(machine.locations, OLD.config, "f.x/x") is None


@pytest.mark.clause("AUTH-014")
def test_credential_helpers_of_registries_conf(machine: Machine) -> None:
    """They are used in order, with the auth files among them."""
    machine.helper("none", "echo 'credentials not found in native keychain'; exit 1")
    machine.helper("h", f"echo '{ANSWER}'")
    machine.auth(auths={"e.x": {"auth": "bzpw"}})

    def user(*helpers: str) -> str:
        found = find_credentials(machine.locations, NEW.config, "e.x/x", helpers=helpers)
        return "" if found is None else found.username

    assert user("none", "h", "containers-auth.json") == "u"
    assert user("none", "containers-auth.json", "h") == "o"
    assert user("none") == ""
    assert user() == "o"


@pytest.mark.clause("AUTH-007")
def test_explain_credentials(machine: Machine) -> None:
    """It has every file and helper, the key that matched, and the other outcomes, but no secret."""
    machine.helper("h", f"echo '{ANSWER}'")
    machine.auth(auths={"e.x/other": {"auth": "bzpw"}, "e.x/empty": {}})
    machine.auth("home/.docker/config.json", credHelpers={"e.x": "h"}, credsStore="none-such")

    def lookups(name: str) -> list[tuple[str, str, str, str]]:
        found = explain_credentials(machine.locations, NEW.config, name)
        assert SECRET not in repr(found) + json.dumps([lookup.to_json() for lookup in found])
        return [
            (Path(lookup.path).name, lookup.outcome, lookup.key, lookup.helper) for lookup in found
        ]

    missing = ("auth.json", "no-file", "", "")
    assert lookups("e.x/a") == [
        ("auth.json", "no-entry", "", ""),
        missing,
        ("config.json", "found", "e.x", "docker-credential-h"),
    ]
    assert lookups("e.x/other/a") == [("auth.json", "found", "e.x/other", "")]
    assert lookups("e.x/empty/a")[0] == ("auth.json", "empty-entry", "e.x/empty", "")
    assert lookups("f.x/a")[2:] == [
        ("config.json", "helper-missing", "", "docker-credential-none-such"),
        (".dockercfg", "no-file", "", ""),
    ]
    machine.helper("h", f"echo {SECRET}; exit 9")
    failed, last = explain_credentials(machine.locations, NEW.config, "e.x/a")[-2:]
    assert failed.outcome == "skipped"
    assert "status 9" in str(failed.error)
    assert last.outcome == "no-file"
    machine.auth(auths={})
    broken = explain_credentials(machine.locations, OLD.config, "e.x/a")[-1]
    assert broken.outcome == "broken"
    assert "status 9" in str(broken.error)


def test_the_time_limit_of_helpers(machine: Machine) -> None:
    """It is long enough for keychains and remote services."""
    assert credential_helper.HELPER_SECONDS >= 10
    machine.helper("h", f"sleep 0.2; echo '{ANSWER}'")
    assert machine.ask() == Credentials("u", SECRET)
