"""The commands and how they end.

0: done, 1: it could not be done, 2: wrong usage, 130: interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time

import click

from towline.cli import interrupts
from towline.cli.interrupts import INTERRUPTED
from towline.cli.show import print_error
from towline.cli.usage import no_such_command, usage_told
from towline.errors import TowlineError

__all__ = ["run", "towline"]

FAILED, USAGE = 1, 2
_GRACE = 1.0  # seconds between Ctrl-C and the end of a process that does not end by itself
# The whole help, where no command was given; a click older than 8.2 shows it by itself.
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
    """The commands; the module of one is loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _MODULES and not args[0].startswith("-"):
            raise no_such_command(args[0], _MODULES, ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(_MODULES[cmd_name])
        found = [each for each in vars(module).values() if isinstance(each, click.Command)]
        return next(command for command in found if command.name == cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="towline")
def towline() -> None:
    """Pull container images the way libpod does, without a daemon."""


def run() -> None:
    """Run the command line and end the process with its status."""
    _heed_interrupts()
    try:
        status = _invoke()
    except KeyboardInterrupt:  # while an end was told
        status = INTERRUPTED
    interrupts.end_at_once()
    sys.exit(status)


def _invoke() -> int:
    try:
        status: int | None = towline.main(standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is told, and not by the interpreter's end
    except (click.exceptions.Abort, KeyboardInterrupt):  # the first is click's name for it
        print_error("interrupted")
        return INTERRUPTED
    except _HELP as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        print_error(usage_told(error))
        return USAGE
    except click.ClickException as error:
        print_error(error.format_message())
        return error.exit_code
    except TowlineError as error:
        print_error(str(error))
        return _status(error)
    except BrokenPipeError:  # the reader of our output went away; there is nobody to tell
        sys.stderr.close()
        return FAILED
    except OSError as error:  # of the output, or of the machine: a full disk, no more open files
        print_error(f"cannot go on: {error}")
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return FAILED
    return status or 0


def _heed_interrupts() -> None:
    """Let Ctrl-C end the process also where something holds on to it, such as a dead disk."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(reader, 1) != bytes([signal.SIGINT]):
            pass
        time.sleep(_GRACE)
        interrupts.end()

    threading.Thread(target=watch, name="towline-interrupts", daemon=True).start()
    interrupts.raise_again()


def _status(error: TowlineError) -> int:
    if error.code == "cancelled.by_caller":
        return INTERRUPTED
    return USAGE if error.code.startswith("option.") else FAILED
