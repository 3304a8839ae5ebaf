"""`tollkeeper simulate`: the simulated upstream alone."""

from __future__ import annotations

from app.commands.failure import CommandFailed
from app.commands.output import say
from app.commands.signals import end_on_signals
from app.simulator.server import serve_simulator


def simulate(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.  Raises CommandFailed when the port is taken."""
    end_on_signals()
    try:
        serve_simulator(
            host, port, on_ready=lambda url: say(f"The simulated upstream is ready on {url}")
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandFailed(f"can't listen on {host} port {port}: {reason}") from error
