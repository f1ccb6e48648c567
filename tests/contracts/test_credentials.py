"""Pulls with auth files and helpers of all kinds, from public and private registries."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.privileges import bound_by_file_modes
from tests.support.pushing import OCI, Puller, digest_of, small_image
from tests.support.scripted_server import Connection, Request, scripted
from towline.config import credential_helper
from towline.errors import PathError, PullFailedError, UnauthorizedError
from towline.rules import Rules
from towline.runtime.results import PullResult

IMAGE = small_image("credentials", layers=1, size=2000)
BLOBS = {digest_of(blob): blob for blob in IMAGE.blobs}
USER = "u:right"
PATHS = (
    "run/containers/0/auth.json",
    "home/.config/containers/auth.json",
    "home/.docker/config.json",
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(slots=True)
class Guarded:
    """A registry with one image, which asks for Basic or Bearer authentication.

    Attributes:
        public: anonymous requests may read it.
        scheme: of the authentication.
        strict: wrong credentials are refused also for a public image, as Docker Hub does.
        status: of refusals.
    """

    public: bool
    scheme: str = "basic"
    strict: bool = True
    status: int = 401
    authorizations: list[str] = field(default_factory=list)

    def __call__(self, request: Request, connection: Connection) -> None:
        sent = request.headers.get("authorization", "")
        self.authorizations.append(sent)
        realm = f"http://{request.headers['host']}/token"
        asks = (
            f'Bearer realm="{realm}",service="s"' if self.scheme == "bearer" else 'Basic realm="r"'
        )
        if request.path == "/token":
            if self._allowed(sent, f"Basic {encoded(USER)}"):
                connection.reply(200, json.dumps({"token": "good"}).encode())
            else:
                connection.reply(self.status, b'{"details":"wrong name or password"}')
        elif request.path == "/v2/" and not (self.public and self.scheme == "basic"):
            connection.reply(401, WWW_Authenticate=asks)
        elif request.path == "/v2/":
            connection.reply(200, b"{}")
        elif not self._served(sent):
            status = self.status if sent else 401
            connection.reply(status, b'{"message":"no"}', WWW_Authenticate=asks)
        elif "/manifests/" in request.path:
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(200, BLOBS[request.path.rpartition("/")[2]])

    def _served(self, sent: str) -> bool:
        if self.scheme == "bearer":
            return sent == "Bearer good"
        return self._allowed(sent, f"Basic {encoded(USER)}")

    def _allowed(self, sent: str, right: str) -> bool:
        return sent == right or (self.public and (not sent or not self.strict))


class Machine(Puller):
    """A machine whose user has auth files and helpers."""

    def path(self, number: int) -> Path:
        """The auth files in the order in which they are read."""
        return self.folder / PATHS[number]

    def helper(self, name: str, script: str, mode: int = 0o755) -> None:
        path = self.folder / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        self.environ["PATH"] = f"{path.parent}:/usr/bin:/bin"

    def pull(self, host: str, **options: object) -> PullResult:
        return self.runtime(tls_verify=False, **options).pull(f"{host}/r")


def entries(host: str, text: str) -> str:
    return json.dumps({"auths": {host: {"auth": encoded(text)}}})


#: Faults of an auth file: what is written to its path for a host, and whether it can be seen.
Fault = Callable[[Machine, Path, str], None]


def _write(text: str) -> Fault:
    return lambda machine, path, host: void(path.write_text(text.replace("HOST", host)))


def void(_: object) -> None:
    pass


def _closed(machine: Machine, path: Path, host: str) -> None:
    path.write_text("{}")
    path.chmod(0)


def _closed_folder(machine: Machine, path: Path, host: str) -> None:
    path.write_text("{}")
    path.parent.chmod(0)


def _using(script: str | None, mode: int = 0o755, key: str = "credHelpers") -> Fault:
    names = itertools.count()

    def write(machine: Machine, path: Path, host: str) -> None:
        name = f"h{next(names)}-{abs(hash((script, mode, key)))}"
        if script is not None:
            machine.helper(name, script, mode)
        document = {key: {host: name} if key == "credHelpers" else name}
        path.write_text(json.dumps(document))

    return write


FAULTS: dict[str, Fault] = {
    "empty": _write(""),
    "not JSON": _write("{"),
    "a list": _write("[]"),
    "an entry of a wrong type": _write('{"auths": {"HOST": 5}}'),
    "not base64": _write('{"auths": {"HOST": {"auth": "!"}}}'),
    "nested": _write('{"auths": ' * 20_000),
    "closed": _closed,
    "in a closed folder": _closed_folder,
    "a directory": lambda machine, path, host: path.mkdir(),
    "a dangling link": lambda machine, path, host: path.symlink_to("nowhere"),
    "a link to itself": lambda machine, path, host: path.symlink_to(path.name),
    "a missing helper": _using(None),
    "a missing store": _using(None, key="credsStore"),
    "a helper that is no program": _using("exit", 0o644),
    "a helper that fails": _using("echo broken; exit 3"),
    "a store that fails": _using("echo broken >&2; exit 3", key="credsStore"),
    "a helper that is killed": _using("kill -9 $$"),
    "a helper without JSON": _using("echo credentials are unavailable"),
    "a helper that hangs": _using("exec sleep 60"),
}
#: What has no credentials and is no fault.
NONE: dict[str, Fault] = {
    "no file": lambda machine, path, host: None,
    "no entries": _write("{}"),
    "an empty entry": _write('{"auths": {"HOST": {}}}'),
    "a helper with nothing": _using("echo 'credentials not found in native keychain'; exit 1"),
    "nothing on stderr": _using("echo 'Credentials not found' >&2; exit 1"),
    "nothing in other words": _using(
        "echo 'The specified item could not be found in the keychain.'; exit 44"
    ),
    "nothing in a store": _using("echo 'Error: x is not in the password store.' >&2; exit 1"),
}
RIGHT: dict[str, Fault] = {
    "an entry": lambda machine, path, host: void(path.write_text(entries(host, USER))),
    "a plain entry": _write('{"auths": {"HOST": {"username": "u", "password": "right"}}}'),
    "a helper": _using("""echo '{"Username": "u", "Secret": "right"}'"""),
    "a store": _using("""echo '{"Username": "u", "Secret": "right"}'""", key="credsStore"),
}
WRONG: dict[str, Fault] = {
    "a stale entry": lambda machine, path, host: void(
        path.write_text(entries(host, "u:expired-9x"))
    ),
    "a stale helper": _using("""echo '{"Username": "u", "Secret": "expired-9x"}'"""),
}


@pytest.fixture(autouse=True)
def short_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that hangs is given up soon."""
    monkeypatch.setattr(credential_helper, "HELPER_SECONDS", 0.3)


@contextlib.contextmanager
def world(folder: Path, registry: Guarded, kinds: Sequence[Fault]) -> Iterator[tuple[Machine, str]]:
    """A machine with these files, and the registry's host."""
    machine = Machine(folder)
    with scripted(registry) as server, bound_by_file_modes():
        for number, kind in enumerate(kinds):
            machine.path(number).parent.mkdir(parents=True)
            kind(machine, machine.path(number), server.host)
        try:
            yield machine, server.host
        finally:
            for number in range(len(kinds)):
                machine.path(number).parent.chmod(0o755)


@pytest.mark.clause("AUTH-015")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_public_image_needs_no_credentials(fault: str, tmp_path: Path) -> None:
    """An auth file or helper that cannot be used gives one warning."""
    with world(tmp_path, Guarded(public=True), [FAULTS[fault]]) as (machine, host):
        result = machine.pull(host)
        assert len(result.warnings) == 1, result.warnings
        assert len(result.images) == 1


@pytest.mark.clause("AUTH-015")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_private_image_names_the_fault(fault: str, tmp_path: Path) -> None:
    """The refusal has the refusal of the registry, and why there are no credentials."""
    with world(tmp_path, Guarded(public=False), [FAULTS[fault]]) as (machine, host):
        with pytest.raises(UnauthorizedError) as caught:
            machine.pull(host)
        assert isinstance(caught.value, PullFailedError)
        (warning,) = caught.value.warnings
        assert str(warning) in str(caught.value)
        assert "without credentials" in str(caught.value)
        assert "rejects" not in str(caught.value)
        assert "right" not in str(caught.value)


@pytest.mark.clause("AUTH-015")
@pytest.mark.parametrize("fault", FAULTS)
def test_credentials_behind_a_fault_are_found(fault: str, tmp_path: Path) -> None:
    """A later auth file is read."""
    kinds = [FAULTS[fault], RIGHT["an entry"]]
    with world(tmp_path, Guarded(public=False), kinds) as (machine, host):
        assert len(machine.pull(host).warnings) == 1


@pytest.mark.clause("AUTH-011")
@pytest.mark.parametrize("kind", NONE)
def test_nothing_found_is_no_fault(kind: str, tmp_path: Path) -> None:
    """A place without credentials causes no warning."""
    with world(tmp_path, Guarded(public=True), [NONE[kind]]) as (machine, host):
        assert machine.pull(host).warnings == ()


@pytest.mark.clause("AUTH-015")
def test_a_given_auth_file_must_exist(tmp_path: Path) -> None:
    """The option names it; the environment may name one that does not exist yet."""
    with world(tmp_path, Guarded(public=True), []) as (machine, host):
        with pytest.raises(PathError):
            machine.pull(host, authfile=tmp_path / "none.json")
        (tmp_path / "empty.json").touch()
        assert len(machine.pull(host, authfile=tmp_path / "empty.json").warnings) == 1
        machine.environ["REGISTRY_AUTH_FILE"] = str(tmp_path / "none.json")
        assert len(machine.pull(host).warnings) == 1


@pytest.mark.clause("AUTH-015")
def test_libpod_refuses_a_broken_auth_file(tmp_path: Path) -> None:
    """The pull fails, also that of a public image."""
    with world(tmp_path, Guarded(public=True), [FAULTS["not JSON"]]) as (machine, host):
        machine.write(
            "etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}'
        )
        with pytest.raises(PullFailedError, match="error getting username and password"):
            machine.pull(host, rules=Rules.LIBPOD_1_3)


@pytest.mark.clause("AUTH-016")
@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", WRONG)
def test_stale_credentials_for_a_public_image(
    kind: str, status: int, scheme: str, tmp_path: Path
) -> None:
    """The image is read without them, and a warning names where they are."""
    registry = Guarded(public=True, scheme=scheme, status=status)
    if scheme == "basic":
        registry = Asking(public=True, scheme=scheme, status=status)
    with world(tmp_path, registry, [WRONG[kind]]) as (machine, host):
        (warning,) = machine.pull(host).warnings
        assert warning.code == "registry.anonymous"
        origin = "docker-credential-h" if "helper" in kind else str(machine.path(0))
        assert origin in str(warning)
        assert "expired-9x" not in str(warning)


class Asking(Guarded):
    """A registry whose ping asks for credentials although its images are public."""

    def __call__(self, request: Request, connection: Connection) -> None:
        if request.path == "/v2/":
            connection.reply(401, WWW_Authenticate='Basic realm="r"')
        else:
            super().__call__(request, connection)


@pytest.mark.clause("AUTH-016")
@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("kind", WRONG)
def test_stale_credentials_for_a_private_image(kind: str, scheme: str, tmp_path: Path) -> None:
    """The refusal names where they are from, and the registry is asked once without them."""
    registry = Guarded(public=False, scheme=scheme)
    with world(tmp_path, registry, [WRONG[kind]]) as (machine, host):
        with pytest.raises(UnauthorizedError) as caught:
            machine.pull(host)
        origin = "docker-credential-h" if "helper" in kind else str(machine.path(0))
        assert origin in str(caught.value)
        assert caught.value.facts["credentials_sent"] is True
        assert isinstance(caught.value, PullFailedError)
        assert caught.value.warnings == ()
        assert "expired-9x" not in str(caught.value)


@pytest.mark.clause("AUTH-016")
@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_given_credentials_are_never_dropped(scheme: str, tmp_path: Path) -> None:
    """Every request for the image has them, and the refusal is reported."""
    registry = Asking(public=True) if scheme == "basic" else Guarded(public=True, scheme=scheme)
    with world(tmp_path, registry, []) as (machine, host), pytest.raises(UnauthorizedError):
        machine.pull(host, auth=("u", "expired-9x"))
    assert f"Basic {encoded('u:expired-9x')}" in registry.authorizations


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.clause("AUTH-015", "AUTH-016")
@given(
    names=st.lists(st.sampled_from([*NONE, *FAULTS, *RIGHT, *WRONG]), max_size=3, unique=True),
    registry=st.builds(
        Guarded,
        public=st.booleans(),
        scheme=st.sampled_from(["basic", "bearer"]),
        strict=st.booleans(),
        status=st.sampled_from([401, 403]),
    ),
)
def test_any_world(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], registry: Guarded
) -> None:
    """A public image is pulled; a private one exactly with usable credentials."""
    # The second folder also has policy.json and registries.conf, which must be readable.
    assume(names[1:2] != ["in a closed folder"])
    kinds = {**NONE, **FAULTS, **RIGHT, **WRONG}
    first = next((name for name in names if name in RIGHT or name in WRONG), None)
    passed = names[: len(names) if first is None else names.index(first)]
    faults = [name for name in passed if name in FAULTS]
    folder = tmp_path_factory.mktemp("world")
    with world(folder, registry, [kinds[name] for name in names]) as (machine, host):
        error: PullFailedError | None = None
        try:
            warnings = machine.pull(host).warnings
        except PullFailedError as failed:
            error, warnings = failed, failed.warnings
    assert (error is None) == (registry.public or first in RIGHT)
    problems = [str(warning) for warning in warnings if warning.code != "registry.anonymous"]
    assert len(problems) == len(faults)
    if error is not None:
        assert isinstance(error, UnauthorizedError)
        assert error.facts["credentials_sent"] == (first in WRONG)
        assert all((problem in str(error)) == (first is None) for problem in problems)
