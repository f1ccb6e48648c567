"""Output on standard output and standard error if standard error is a terminal."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path

import pytest

from tests.support.docker_images import BLOB, LAYER, Registry, digest_of
from tests.support.scripted_server import Connection, Request, scripted
from tests.support.terminal import terminal
from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"
HELLO = "localhost/hello:latest"
BAR = "24a6516b044e"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine.below(tmp_path)


def test_names_go_to_standard_output_and_errors_stay_whole(line: CommandLine) -> None:
    """Progress bars are removed before other output is printed."""
    command = line.arguments("pull", f"oci-archive:{EXAMPLE}", "docker-archive:gone.tar")
    with terminal() as shown, tempfile.TemporaryFile() as file:
        assert shown.run(command, line.environment, file) == 1
        file.seek(0)
        assert file.read().decode() == f"{HELLO}\n"
        assert BAR in shown.output
        (error,) = shown.screen.lines
        assert error == 'towline: cannot open "gone.tar": no such file or directory'


def test_a_failure_between_two_pulls_stays(line: CommandLine, tmp_path: Path) -> None:
    """The bars of the last pull erase neither the error nor what the shell printed before."""
    layers = [tmp_path / f"{size}.tar" for size in (1024, 2048, 4096)]
    for layer in layers:
        layer.write_bytes(bytes(int(layer.stem)))
    image = f"tarball:{':'.join(map(str, layers))}"
    command = line.arguments("pull", image, "docker-archive:gone.tar", image)
    with terminal(200, 12) as shown:
        assert shown.run(["sh", "-c", 'seq 30; exec "$@"', "sh", *command], line.environment) == 1
        lines = shown.screen.lines
    assert lines[:30] == [str(number) for number in range(1, 31)]
    assert lines[30].startswith("localhost/")
    assert lines[31] == 'towline: cannot open "gone.tar": no such file or directory'
    assert lines[32:] == [lines[30]]


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_without_control_sequences(line: CommandLine, kind: str) -> None:
    """Such a terminal gets the plain text."""
    command = line.arguments("pull", f"oci-archive:{EXAMPLE}")
    with terminal() as shown:
        assert shown.run(command, line.environment | {"TERM": kind}) == 0
        assert "\x1b" not in shown.output
        assert shown.screen.lines[-1] == HELLO
        assert len(shown.screen.lines) > 1


def test_a_wait_for_another_pull_is_shown(line: CommandLine) -> None:
    """On a line of its own between the bars; also without progress."""
    sent = threading.Event()

    def stall(_: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        sent.wait(60)
        connection.send(LAYER)

    with (
        scripted(Registry({BLOB: stall})) as server,
        terminal(200) as shown,
        terminal(200) as other,
    ):
        command = line.arguments("pull", "--tls-verify=false", f"{server.host}/r")
        first = shown.start(command, line.environment)
        shown.read_until(digest_of(LAYER).partition(":")[2][:12])
        second = other.start([*command, "--quiet"], line.environment)
        other.read_until("\n")
        sent.set()
        shown.read_to_end()
        other.read_to_end()
        assert (first.wait(), second.wait()) == (0, 0)
    name = f"{server.host}/r"
    waiting = f"waiting for process {first.pid} (pulling {name}:latest), which uses the blob"
    assert shown.screen.lines == [name]
    assert other.screen.lines == [
        f"towline: warning: {waiting} {digest_of(LAYER)}",
        name,
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_killed_pull_leaves_the_cursor(line: CommandLine, number: signal.Signals) -> None:
    """The cursor is visible whatever ends the process, and the signal is its status."""

    def stall(_: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        connection.wait_until_closed()

    with scripted(Registry({BLOB: stall})) as server, terminal() as shown:
        command = line.arguments("pull", "--tls-verify=false", f"{server.host}/r")
        process = shown.start(command, line.environment)
        shown.read_until(digest_of(LAYER).partition(":")[2][:12])
        process.send_signal(number)
        assert process.wait() == -number
        shown.read_to_end()
        assert shown.screen.cursor_visible
