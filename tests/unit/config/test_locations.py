"""Where files are looked for, and what a missing one means."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from towline.config.credentials import find_credentials
from towline.config.load import RegistriesCache, load_registries, registries_conf_path
from towline.config.locations import Locations, auth_file_paths
from towline.errors import ConfigurationError, PathError, TowlineError, step
from towline.rules import Rules
from towline.trust.load import BUILT_IN, load_policy
from towline.trust.policy_json import ACCEPT_ANYTHING

NEW, OLD = Rules.CURRENT, Rules.LIBPOD_1_3
BOTH = pytest.mark.parametrize("rules", [NEW, OLD], ids=lambda rules: rules.edition)
ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'
REJECT = '{"default": [{"type": "reject"}]}'


class Machine:
    """A machine of its own below a temporary directory."""

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
    """A file that both editions understand, with one search registry."""
    return f"[registries.search]\nregistries = ['{text}']\n"


# --- registries.conf ---


@BOTH
def test_without_any_file_there_are_no_registries(machine: Machine, rules: Rules) -> None:
    """The default file need not be there."""
    found = load_registries(machine.locations, rules)
    assert found.search_registries() == ()
    assert found.files == ()


@BOTH
def test_a_file_that_was_asked_for_must_be_there(machine: Machine, rules: Rules) -> None:
    """By option or by environment."""
    missing = str(machine.root / "missing")
    with pytest.raises(PathError):
        load_registries(machine.locations, rules, missing)
    machine.environ["REGISTRIES_CONFIG_PATH"] = missing
    with pytest.raises(PathError) as caught, step("reading-registries-conf"):
        load_registries(machine.locations, rules)
    assert caught.value.told(OLD.wording) == (
        f"unable to parse the registries.conf file: open {missing}: no such file or directory"
    )


@BOTH
def test_a_directory_cannot_be_read(machine: Machine, rules: Rules) -> None:
    """It opens, and then does not read."""
    with pytest.raises(PathError) as caught:
        load_registries(machine.locations, rules, machine.root)
    assert caught.value.told(OLD.wording) == f"read {machine.root}: is a directory"


@BOTH
def test_the_file_that_was_given_wins_over_the_environment(machine: Machine, rules: Rules) -> None:
    """An option is nearer than a variable, and a variable nearer than the usual locations."""
    machine.file("etc/containers/registries.conf", "broken")
    machine.environ["REGISTRIES_CONFIG_PATH"] = machine.file("env", search("env.x"))
    given = machine.file("given", search("given.x"))
    assert load_registries(machine.locations, rules, given).search == ("given.x",)
    assert load_registries(machine.locations, rules).search == ("env.x",)


@BOTH
def test_an_empty_variable_is_none(machine: Machine, rules: Rules) -> None:
    """Then the default file is read."""
    machine.environ["REGISTRIES_CONFIG_PATH"] = ""
    machine.file("etc/containers/registries.conf", search("etc.x"))
    assert load_registries(machine.locations, rules).search == ("etc.x",)


def test_the_variable_of_today(machine: Machine) -> None:
    """CONTAINERS_REGISTRIES_CONF comes before the old name, and is unknown in 2019."""
    machine.environ["CONTAINERS_REGISTRIES_CONF"] = machine.file("new", search("new.x"))
    machine.environ["REGISTRIES_CONFIG_PATH"] = machine.file("old", search("old.x"))
    assert load_registries(machine.locations, NEW).search == ("new.x",)
    assert load_registries(machine.locations, OLD).search == ("old.x",)


@pytest.mark.parametrize(("uid", "old"), [(0, "etc.x"), (1000, "home.x")])
def test_the_file_at_home(machine: Machine, uid: int, old: str) -> None:
    """Today root's home counts too; in 2019 only that of others did."""
    machine.uid = uid
    machine.file("etc/containers/registries.conf", search("etc.x"))
    machine.file("home/.config/containers/registries.conf", search("home.x"))
    assert load_registries(machine.locations, NEW).search == ("home.x",)
    assert load_registries(machine.locations, OLD).search == (old,)


def test_without_a_home_only_the_machines_file_counts(machine: Machine) -> None:
    """No path is made of an unknown home."""
    machine.environ.clear()
    path = str(machine.root / "etc/containers/registries.conf")
    assert registries_conf_path(machine.locations, NEW) == (path, False)


def drop_in(prefix: str, where: str) -> str:
    return f"[[registry]]\nprefix = '{prefix}'\nlocation = '{where}'\n"


@pytest.mark.clause("CONF-012")
def test_drop_ins_are_read_in_order(machine: Machine) -> None:
    """By name in each directory, the machine's before the user's; only files that end in .conf."""
    machine.file("etc/containers/registries.conf", drop_in("a.x", "main"))
    machine.file("etc/containers/registries.conf.d/2.conf", drop_in("a.x", "etc2"))
    machine.file("etc/containers/registries.conf.d/1.conf", drop_in("b.x", "etc1"))
    machine.file("etc/containers/registries.conf.d/3.txt", "broken")
    machine.file("etc/containers/registries.conf.d/4.conf/x", "broken")
    machine.file("home/.config/containers/registries.conf.d/0.conf", drop_in("b.x", "home"))
    found = load_registries(machine.locations, NEW)
    assert [(entry.prefix, entry.location) for entry in found.registries] == [
        ("a.x", "etc2"),
        ("b.x", "home"),
    ]
    names = " ".join(Path(file).name for file in found.files)
    assert names == "registries.conf 1.conf 2.conf 0.conf"


@pytest.mark.clause("CONF-012")
def test_there_were_no_drop_ins_in_2019(machine: Machine) -> None:
    """Broken ones trouble nobody."""
    machine.file("etc/containers/registries.conf.d/1.conf", "broken")
    assert load_registries(machine.locations, OLD).files == ()


@pytest.mark.clause("CONF-012")
def test_a_main_file_at_home_hides_the_machines_drop_ins(machine: Machine) -> None:
    """A file that was given does not."""
    machine.file("etc/containers/registries.conf.d/1.conf", drop_in("etc.x", "etc"))
    machine.file("home/.config/containers/registries.conf.d/1.conf", drop_in("home.x", "home"))
    given = machine.file("given", "")
    home = machine.file("home/.config/containers/registries.conf", "")
    assert [e.prefix for e in load_registries(machine.locations, NEW).registries] == ["home.x"]
    both = load_registries(machine.locations, NEW, given)
    assert [e.prefix for e in both.registries] == ["etc.x", "home.x"]
    assert home in load_registries(machine.locations, NEW).files


def test_a_broken_drop_in_is_an_error(machine: Machine) -> None:
    """And so is one in the old form."""
    machine.file("etc/containers/registries.conf.d/1.conf", search("a.x"))
    with pytest.raises(ConfigurationError) as caught:
        load_registries(machine.locations, NEW)
    assert caught.value.code == "registries_conf.old_drop_in"


@pytest.mark.clause("CONF-009")
def test_in_2019_a_file_is_read_once_and_errors_are_not_kept(machine: Machine) -> None:
    """What was read stays; what could not be read is tried again."""
    path = machine.file("r.conf", "broken")
    cache = RegistriesCache()
    with pytest.raises(TowlineError):
        load_registries(machine.locations, OLD, path, cache)
    machine.file("r.conf", search("first.x"))
    assert load_registries(machine.locations, OLD, path, cache).search == ("first.x",)
    machine.file("r.conf", search("second.x"))
    assert load_registries(machine.locations, OLD, path, cache).search == ("first.x",)
    assert load_registries(machine.locations, OLD, path).search == ("second.x",)
    assert load_registries(machine.locations, NEW, path, cache).search == ("second.x",)


# --- policy.json ---


@pytest.mark.clause("POLICY-003")
def test_without_any_policy(machine: Machine) -> None:
    """Today the built-in policy accepts, and is named; in 2019 the call fails."""
    assert load_policy(machine.locations, NEW) == (ACCEPT_ANYTHING, BUILT_IN)
    with pytest.raises(PathError) as caught:
        load_policy(machine.locations, OLD)
    path = machine.root / "etc/containers/policy.json"
    assert caught.value.told(OLD.wording) == f"open {path}: no such file or directory"


@pytest.mark.clause("POLICY-002")
def test_the_users_own_policy(machine: Machine) -> None:
    """It wins over the machine's today; in 2019 there was none."""
    etc = machine.file("etc/containers/policy.json", REJECT)
    home = machine.file("home/.config/containers/policy.json", ACCEPT)
    assert load_policy(machine.locations, NEW) == (ACCEPT_ANYTHING, home)
    assert load_policy(machine.locations, OLD)[1] == etc


@BOTH
def test_a_policy_that_was_given_must_be_there(machine: Machine, rules: Rules) -> None:
    """Nothing takes its place."""
    machine.file("etc/containers/policy.json", ACCEPT)
    with pytest.raises(PathError):
        load_policy(machine.locations, rules, machine.root / "missing")


@BOTH
def test_a_broken_policy_is_never_passed_over(machine: Machine, rules: Rules) -> None:
    """Not when it is empty, a directory, or a link that leads nowhere."""
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


def test_a_broken_policy_at_home_is_not_replaced_by_the_machines(machine: Machine) -> None:
    """Falling back would let through what the user wanted to stop."""
    machine.file("etc/containers/policy.json", ACCEPT)
    machine.file("home/.config/containers/policy.json", "{")
    with pytest.raises(ConfigurationError):
        load_policy(machine.locations, NEW)


# --- auth files ---


def names(machine: Machine, rules: Rules, given: str | None = None) -> list[str]:
    found = auth_file_paths(machine.locations, rules, given)
    return [path.removeprefix(f"{machine.root}/") for path, _, _ in found]


def test_the_order_of_auth_files(machine: Machine) -> None:
    """The run-time directory, the user's configuration (today), Docker's two files."""
    docker = ["home/.docker/config.json", "home/.dockercfg"]
    config = "home/.config/containers/auth.json"
    assert names(machine, NEW) == ["run/containers/0/auth.json", config, *docker]
    assert names(machine, OLD) == ["run/containers/0/auth.json", *docker]
    machine.environ |= {"XDG_RUNTIME_DIR": "x", "XDG_CONFIG_HOME": "c", "DOCKER_CONFIG": "d"}
    mine = ["x/containers/auth.json", "c/containers/auth.json", "d/config.json"]
    assert names(machine, NEW) == [*mine, "home/.dockercfg"]
    assert names(machine, OLD) == ["x/containers/auth.json", *docker]


def test_a_given_auth_file(machine: Machine) -> None:
    """Today it is the only one and must exist; in 2019 Docker's files were asked after it."""
    assert names(machine, NEW, "given") == ["given"]
    assert names(machine, OLD, "given") == ["given", *names(machine, OLD)[1:]]
    machine.environ["REGISTRY_AUTH_FILE"] = "env"
    assert names(machine, NEW) == ["env"]
    assert names(machine, NEW, "given") == ["given"]
    with pytest.raises(PathError):
        find_credentials(machine.locations, NEW, "e.x/x")
    assert find_credentials(machine.locations, OLD, "e.x/x") is None


@BOTH
def test_the_first_file_with_credentials_gives_them(machine: Machine, rules: Rules) -> None:
    """A file that has none for the registry is passed over."""

    def auth(host: str, who: str) -> str:
        return json.dumps({"auths": {host: {"auth": base64.b64encode(who.encode()).decode()}}})

    machine.file("run/containers/0/auth.json", auth("other.x", "a:p"))
    second = machine.file("home/.docker/config.json", auth("e.x", "b:p"))
    found = find_credentials(machine.locations, rules, "e.x/ns/img")
    assert found is not None
    assert (found[0].username, found[1]) == ("b", second)
    assert find_credentials(machine.locations, rules, "none.x/x") is None


def test_how_a_bad_auth_file_was_told_in_2019(machine: Machine) -> None:
    """The file is named for what is no JSON, and not for what is no base64."""
    path = machine.file("auth.json", "{")
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(machine.locations, OLD, "e.x/x", path)
    assert caught.value.told(OLD.wording).startswith(
        f'error getting username and password: error reading JSON file "{path}": '
        f'error unmarshaling JSON at "{path}": '
    )
    machine.file("auth.json", '{"auths": {"e.x": {"auth": "!"}}}')
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(machine.locations, OLD, "e.x/x", path)
    assert caught.value.told(OLD.wording) == (
        "error getting username and password: illegal base64 data at input byte 0"
    )


def test_a_path_with_a_null_character_is_unusable(machine: Machine) -> None:
    """It is told like every other path that does not open."""
    with pytest.raises(PathError) as caught:
        load_registries(machine.locations, NEW, "a\0b")
    assert caught.value.told(OLD.wording).endswith("invalid argument")
