"""`python -m app.simulator --port 4010`: the simulator alone."""

from __future__ import annotations

import argparse
import sys

from app.simulator.server import serve_simulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before the first byte")
    parser.add_argument("--delta-interval", type=float, default=0.0, help="seconds between deltas")
    options = parser.parse_args()
    try:
        serve_simulator(
            options.host,
            options.port,
            latency_s=options.latency,
            delta_interval_s=options.delta_interval,
            on_ready=lambda url: _say(f"simulated upstream ready on {url}"),
        )
    except OSError as error:
        sys.exit(f"cannot listen on {options.host} port {options.port}: {error.strerror}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
