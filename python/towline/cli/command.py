"""The command group and the exit status of every command.

0: success, 1: failure, 2: wrong usage, 130: interrupted.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from towline import __version__
from towline.cli import interrupts
from towline.cli.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from towline.errors import TowlineError

__all__ = ["run", "towline"]

FAILED, USAGE = 1, 2
_GRACE = 1.0  # seconds from Ctrl-C to the forced exit of a process that does not exit by itself
# Raised if no command is given; click older than 8.2 shows the help without raising.
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())

_TRANSFER = "towline.cli.transfer_commands"
_STORE = "towline.cli.store_commands"
_MODULES = {  # in the order of the help
    "pull": _TRANSFER,
    "resolve": _TRANSFER,
    "images": _STORE,
    "inspect": _STORE,
    "verify": _STORE,
    "rm": _STORE,
    "gc": _STORE,
    "conformance": "towline.conformance.command",
}


class _Commands(click.Group):
    """The command group; the module of a command is imported when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _MODULES and not args[0].startswith("-"):
            from towline.cli.usage import no_such_command

            raise no_such_command(args[0], _MODULES, ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(_MODULES[cmd_name])
        commands = [value for value in vars(module).values() if isinstance(value, click.Command)]
        return next(command for command in commands if command.name == cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="towline")
def towline() -> None:
    """Pull container images the way libpod does, without a daemon."""


def run() -> None:
    """Run the command line and exit with its status."""
    _exit_after_interrupt()
    try:
        status = _invoke()
    except KeyboardInterrupt:  # while an error was printed
        status = INTERRUPTED
    interrupts.exit_on_interrupt()
    gc.freeze()  # the objects are not searched for cycles at the exit, which takes 15 ms
    sys.exit(status)


def _invoke() -> int:
    try:
        status: int | None = towline.main(standalone_mode=False)
        sys.stdout.flush()  # so that a write error is handled here and not at interpreter exit
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - others are raised again
        return _report(error)
    return status or 0


def _report(error: BaseException) -> int:
    """Print the message of an error; return the exit status."""
    from towline.cli.show import print_error
    from towline.cli.usage import usage_message
    from towline.errors import TowlineError

    match error:
        case click.exceptions.Abort() | KeyboardInterrupt():  # click raises Abort
            print_error("interrupted")
            return INTERRUPTED
        case click.UsageError() if isinstance(error, _HELP):
            error.show()
            return USAGE
        case click.UsageError():
            print_error(usage_message(error))
            return USAGE
        case click.ClickException():
            print_error(error.format_message())
            return error.exit_code
        case TowlineError():
            print_error(str(error))
            return _status(error)
        case BrokenPipeError():  # the reader of the output closed the pipe
            sys.stderr.close()
            return FAILED
        case OSError():  # from the output or the system: a full disk, too many open files
            print_error(f"cannot continue: {error}")
            with contextlib.suppress(OSError):
                sys.stdout.close()
            return FAILED
        case _:
            raise error


def _exit_after_interrupt() -> None:
    """Exit after Ctrl-C even if a system call blocks, such as one on a failed disk."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(reader, 1) != bytes([signal.SIGINT]):
            pass
        time.sleep(_GRACE)
        interrupts.exit_interrupted()

    threading.Thread(target=watch, name="towline-interrupts", daemon=True).start()
    interrupts.raise_on_interrupt()


def _status(error: TowlineError) -> int:
    if error.code == "cancelled.by_caller":
        return INTERRUPTED
    return USAGE if error.code.startswith("option.") else FAILED
