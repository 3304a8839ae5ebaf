"""`tollkeeper simulate`: the simulated upstream alone."""

from __future__ import annotations

from app.commands.failure import CommandFailed
from app.commands.output import say, show_json_line
from app.commands.signals import end_on_signals
from app.simulator.server import serve_simulator


def simulate(host: str, port: int, *, as_json: bool) -> None:
    """Serve until SIGTERM or SIGINT.  Raises CommandFailed when the port is taken."""

    def ready(url: str) -> None:
        if as_json:
            show_json_line({"url": url})
        else:
            say(f"The simulated upstream is ready on {url}")

    end_on_signals()
    try:
        serve_simulator(host, port, on_ready=ready)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandFailed(f"can't listen on {host} port {port}: {reason}") from error
