"""Serve the gateway on a port, in the current folder, at the moment that a file there names."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from app.main import boot_from, create_app
from app.store.database.migrate import migrate
from app.telemetry.logs import start_logging


def serve(port: int, day: Path) -> None:
    start_logging()
    boot = boot_from(os.environ)
    migrate(boot.database_url)
    app = create_app(
        boot.settings(),
        boot,
        now=lambda: datetime.fromisoformat(day.read_text("ascii")).replace(tzinfo=UTC),
    )
    uvicorn.run(app, port=port, ws="none", lifespan="on", log_config=None, access_log=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
