"""The command line ``towline``."""

from __future__ import annotations

from towline.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    interrupts.exit_on_interrupt()
    from towline.cli.command import run  # imported late: Ctrl-C during the import is handled

    run()
