"""The locations of configuration files, and the results of missing and broken ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from towline.config.credentials import AuthLookup, find_credentials
from towline.config.load import (
    find_certificates,
    load_registries,
    registries_conf_path,
)
from towline.config.locations import Locations, auth_file_paths
from towline.config.registries import Registries
from towline.errors import ConfigurationError, PathError, TowlineError, step
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.runtime.policy import BUILT_IN, load_policy
from towline.trust.policy_json import ACCEPT_ANYTHING

NEW, OLD = Rules.CURRENT, Rules.LIBPOD_1_3
BOTH = pytest.mark.parametrize("rules", [NEW, OLD], ids=lambda rules: rules.edition)
ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'
REJECT = '{"default": [{"type": "reject"}]}'


class Machine:
    """A machine whose directories are below a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root / "home")}
        self.uid = 0

    def file(self, name: str, text: str = "") -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    @property
    def locations(self) -> Locations:
        etc, run = str(self.root / "etc"), str(self.root / "run")
        var = str(self.root / "var")
        return Locations(environ=self.environ, etc=etc, run=run, uid=self.uid, var=var)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def search(text: str) -> str:
    """A file that is valid in both editions, with one search registry."""
    return f"[registries.search]\nregistries = ['{text}']\n"


# --- registries.conf ---


@BOTH
def test_without_any_file_there_are_no_registries(machine: Machine, rules: Rules) -> None:
    """The default file may be missing."""
    found = load_registries(machine.locations, rules.config)
    assert found.search_registries() == ()
    assert found.files == ()


@BOTH
def test_an_explicit_file_must_exist(machine: Machine, rules: Rules) -> None:
    """One from an option or from the environment."""
    missing = str(machine.root / "missing")
    with pytest.raises(PathError):
        load_registries(machine.locations, rules.config, missing)
    machine.environ["REGISTRIES_CONFIG_PATH"] = missing
    with pytest.raises(PathError) as caught, step("reading-registries-conf"):
        load_registries(machine.locations, rules.config)
    assert caught.value.render(OLD.wording) == (
        f"unable to parse the registries.conf file: open {missing}: no such file or directory"
    )


@BOTH
def test_a_directory_is_not_read_as_a_file(machine: Machine, rules: Rules) -> None:
    """It can be opened, but not read."""
    with pytest.raises(PathError) as caught:
        load_registries(machine.locations, rules.config, machine.root)
    assert caught.value.render(OLD.wording) == f"read {machine.root}: is a directory"


@BOTH
def test_an_explicit_file_precedes_the_environment(machine: Machine, rules: Rules) -> None:
    """An option precedes a variable, and a variable precedes the usual locations."""
    machine.file("etc/containers/registries.conf", "broken")
    machine.environ["REGISTRIES_CONFIG_PATH"] = machine.file("env", search("env.x"))
    explicit = machine.file("explicit", search("explicit.x"))
    assert load_registries(machine.locations, rules.config, explicit).search == ("explicit.x",)
    assert load_registries(machine.locations, rules.config).search == ("env.x",)


@BOTH
def test_an_empty_variable_is_ignored(machine: Machine, rules: Rules) -> None:
    """The default file is read then."""
    machine.environ["REGISTRIES_CONFIG_PATH"] = ""
    machine.file("etc/containers/registries.conf", search("etc.x"))
    assert load_registries(machine.locations, rules.config).search == ("etc.x",)


def test_the_variable_of_the_current_edition(machine: Machine) -> None:
    """CONTAINERS_REGISTRIES_CONF precedes the old variable, and libpod-1.3 ignores it."""
    machine.environ["CONTAINERS_REGISTRIES_CONF"] = machine.file("new", search("new.x"))
    machine.environ["REGISTRIES_CONFIG_PATH"] = machine.file("old", search("old.x"))
    assert load_registries(machine.locations, NEW.config).search == ("new.x",)
    assert load_registries(machine.locations, OLD.config).search == ("old.x",)


@pytest.mark.parametrize(("uid", "old"), [(0, "etc.x"), (1000, "home.x")])
def test_the_file_in_the_home_directory(machine: Machine, uid: int, old: str) -> None:
    """Under libpod-1.3 it is not used for root."""
    machine.uid = uid
    machine.file("etc/containers/registries.conf", search("etc.x"))
    machine.file("home/.config/containers/registries.conf", search("home.x"))
    assert load_registries(machine.locations, NEW.config).search == ("home.x",)
    assert load_registries(machine.locations, OLD.config).search == (old,)


def test_without_a_home_only_the_system_file_is_used(machine: Machine) -> None:
    """No path is made from an unknown home directory."""
    machine.environ.clear()
    path = str(machine.root / "etc/containers/registries.conf")
    assert registries_conf_path(machine.locations, NEW.config) == (path, False)


def drop_in(prefix: str, where: str) -> str:
    return f"[[registry]]\nprefix = '{prefix}'\nlocation = '{where}'\n"


@pytest.mark.clause("CONF-012")
def test_drop_ins_are_read_in_order(machine: Machine) -> None:
    """By name in each directory, the system's before the user's; only files named *.conf."""
    machine.file("etc/containers/registries.conf", drop_in("a.x", "main"))
    machine.file("etc/containers/registries.conf.d/2.conf", drop_in("a.x", "etc2"))
    machine.file("etc/containers/registries.conf.d/1.conf", drop_in("b.x", "etc1"))
    machine.file("etc/containers/registries.conf.d/3.txt", "broken")
    machine.file("etc/containers/registries.conf.d/4.conf/x", "broken")
    machine.file("home/.config/containers/registries.conf.d/0.conf", drop_in("b.x", "home"))
    found = load_registries(machine.locations, NEW.config)
    assert [(entry.prefix, entry.location) for entry in found.registries] == [
        ("a.x", "etc2"),
        ("b.x", "home"),
    ]
    names = " ".join(Path(file).name for file in found.files)
    assert names == "registries.conf 1.conf 2.conf 0.conf"


@pytest.mark.clause("CONF-012")
def test_libpod_reads_no_drop_ins(machine: Machine) -> None:
    """Broken ones cause no error."""
    machine.file("etc/containers/registries.conf.d/1.conf", "broken")
    assert load_registries(machine.locations, OLD.config).files == ()


@pytest.mark.clause("CONF-012")
def test_a_main_file_of_the_user_replaces_the_drop_ins_of_the_system(machine: Machine) -> None:
    """An explicit file does not."""
    machine.file("etc/containers/registries.conf.d/1.conf", drop_in("etc.x", "etc"))
    machine.file("home/.config/containers/registries.conf.d/1.conf", drop_in("home.x", "home"))
    explicit = machine.file("explicit", "")
    home = machine.file("home/.config/containers/registries.conf", "")
    assert [e.prefix for e in load_registries(machine.locations, NEW.config).registries] == [
        "home.x"
    ]
    both = load_registries(machine.locations, NEW.config, explicit)
    assert [e.prefix for e in both.registries] == ["etc.x", "home.x"]
    assert home in load_registries(machine.locations, NEW.config).files


def test_a_broken_drop_in_is_an_error(machine: Machine) -> None:
    """A drop-in file in the old form is refused."""
    machine.file("etc/containers/registries.conf.d/1.conf", search("a.x"))
    with pytest.raises(ConfigurationError) as caught:
        load_registries(machine.locations, NEW.config)
    assert caught.value.code == "registries_conf.old_drop_in"


@pytest.mark.clause("CONF-009")
def test_libpod_caches_registries_but_not_errors(machine: Machine) -> None:
    """After an error the file is read again."""
    path = machine.file("r.conf", "broken")
    cache: dict[str, Registries] = {}
    with pytest.raises(TowlineError):
        load_registries(machine.locations, OLD.config, path, cache)
    machine.file("r.conf", search("first.x"))
    assert load_registries(machine.locations, OLD.config, path, cache).search == ("first.x",)
    machine.file("r.conf", search("second.x"))
    assert load_registries(machine.locations, OLD.config, path, cache).search == ("first.x",)
    assert load_registries(machine.locations, OLD.config, path).search == ("second.x",)
    assert load_registries(machine.locations, NEW.config, path, cache).search == ("second.x",)


# --- policy.json ---


@pytest.mark.clause("POLICY-003")
def test_without_any_policy(machine: Machine) -> None:
    """Under current the built-in policy accepts, and has its own name; libpod-1.3 fails."""
    assert load_policy(machine.locations, NEW) == (ACCEPT_ANYTHING, BUILT_IN)
    with pytest.raises(PathError) as caught:
        load_policy(machine.locations, OLD)
    path = machine.root / "etc/containers/policy.json"
    assert caught.value.render(OLD.wording) == f"open {path}: no such file or directory"


@pytest.mark.clause("POLICY-002")
def test_the_policy_of_the_user(machine: Machine) -> None:
    """It precedes that of the system; libpod-1.3 ignores it."""
    etc = machine.file("etc/containers/policy.json", REJECT)
    home = machine.file("home/.config/containers/policy.json", ACCEPT)
    assert load_policy(machine.locations, NEW) == (ACCEPT_ANYTHING, home)
    assert load_policy(machine.locations, OLD)[1] == etc


@BOTH
def test_an_explicit_policy_must_exist(machine: Machine, rules: Rules) -> None:
    """No other file is used instead."""
    machine.file("etc/containers/policy.json", ACCEPT)
    with pytest.raises(PathError):
        load_policy(machine.locations, rules, machine.root / "missing")


@BOTH
def test_a_broken_policy_is_always_an_error(machine: Machine, rules: Rules) -> None:
    """An empty file, a directory and a dangling link are refused."""
    path = Path(machine.file("etc/containers/policy.json", ""))
    with pytest.raises(ConfigurationError):
        load_policy(machine.locations, rules)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(PathError):
        load_policy(machine.locations, rules)
    path.unlink()
    path.mkdir()
    with pytest.raises(PathError):
        load_policy(machine.locations, rules)


def test_a_broken_policy_of_the_user_is_an_error(machine: Machine) -> None:
    """The system's policy could accept images that the user's policy refuses."""
    machine.file("etc/containers/policy.json", ACCEPT)
    machine.file("home/.config/containers/policy.json", "{")
    with pytest.raises(ConfigurationError):
        load_policy(machine.locations, NEW)


# --- auth files ---


def names(machine: Machine, rules: Rules, explicit: str | None = None) -> list[str]:
    found = auth_file_paths(machine.locations, rules.config, explicit)
    return [path.removeprefix(f"{machine.root}/") for path, _, _ in found]


def test_the_order_of_auth_files(machine: Machine) -> None:
    """The runtime directory, the user's configuration (only current), the two files of Docker."""
    docker = ["home/.docker/config.json", "home/.dockercfg"]
    config = "home/.config/containers/auth.json"
    assert names(machine, NEW) == ["run/containers/0/auth.json", config, *docker]
    assert names(machine, OLD) == ["run/containers/0/auth.json", *docker]
    machine.environ |= {"XDG_RUNTIME_DIR": "x", "XDG_CONFIG_HOME": "c", "DOCKER_CONFIG": "d"}
    own = ["x/containers/auth.json", "c/containers/auth.json", "d/config.json"]
    assert names(machine, NEW) == [*own, "home/.dockercfg"]
    assert names(machine, OLD) == ["x/containers/auth.json", *docker]


def test_an_explicit_auth_file(machine: Machine) -> None:
    """Under current it is the only one and must exist; libpod-1.3 reads Docker's files after it."""
    assert names(machine, NEW, "explicit") == ["explicit"]
    assert names(machine, OLD, "explicit") == ["explicit", *names(machine, OLD)[1:]]
    machine.environ["REGISTRY_AUTH_FILE"] = "env"
    assert names(machine, NEW) == ["env"]
    assert names(machine, NEW, "explicit") == ["explicit"]
    with pytest.raises(PathError):
        find_credentials(machine.locations, NEW.config, "e.x/x")
    assert find_credentials(machine.locations, OLD.config, "e.x/x") is None


@BOTH
def test_the_first_file_with_credentials_is_used(machine: Machine, rules: Rules) -> None:
    """A file without credentials for the registry is skipped."""

    def auth(host: str, who: str) -> str:
        return json.dumps({"auths": {host: {"auth": base64.b64encode(who.encode()).decode()}}})

    machine.file("run/containers/0/auth.json", auth("other.x", "a:p"))
    second = machine.file("home/.docker/config.json", auth("e.x", "b:p"))
    lookups: list[AuthLookup] = []
    found = find_credentials(machine.locations, rules.config, "e.x/ns/img", lookups=lookups)
    assert found == Credentials("b", "p")
    assert lookups[-1] == AuthLookup(second, "found", "e.x", username="b")
    assert find_credentials(machine.locations, rules.config, "none.x/x") is None


def test_messages_of_libpod_for_a_broken_auth_file(machine: Machine) -> None:
    """They name the file for invalid JSON, but not for invalid base64."""
    path = machine.file("auth.json", "{")
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(machine.locations, OLD.config, "e.x/x", path)
    assert caught.value.render(OLD.wording).startswith(
        f'error getting username and password: error reading JSON file "{path}": '
        f'error unmarshaling JSON at "{path}": '
    )
    machine.file("auth.json", '{"auths": {"e.x": {"auth": "!"}}}')
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(machine.locations, OLD.config, "e.x/x", path)
    assert caught.value.render(OLD.wording) == (
        "error getting username and password: illegal base64 data at input byte 0"
    )


def test_a_path_with_a_null_character_is_unusable(machine: Machine) -> None:
    """The error is that of any path that cannot be opened."""
    with pytest.raises(PathError) as caught:
        load_registries(machine.locations, NEW.config, "a\0b")
    assert caught.value.render(OLD.wording).endswith("invalid argument")
    with pytest.raises(PathError) as caught:
        find_certificates(machine.locations, NEW.config, "e.x", "a\0b")
    assert caught.value.render(OLD.wording).endswith("invalid argument")
