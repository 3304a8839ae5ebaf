"""Several worker processes on one port: kept alive, and told to reload instead of replaced."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.commands.output import DASHBOARD, say
from app.config.problems import ConfigError
from app.main import GOOD_CONFIG_VARIABLE
from app.wiring import Boot, policy_of

START_S = 60.0
HUNG_S = 20.0
READY_S = 1.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STEADY_S = 60.0  # a worker that ran for so long has not failed at its start


_log = logging.getLogger("tollkeeper.workers")


class GoodConfig:
    """A copy of the config file as it was when it last could be used.

    A worker that starts while the file is wrong takes the copy: the others still serve by it.
    """

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._folder = tempfile.TemporaryDirectory(prefix="tollkeeper-")
        self._seen: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        if self._boot.config_file is not None:
            os.environ[GOOD_CONFIG_VARIABLE] = str(self._copy)
        self.keep()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    @property
    def _copy(self) -> Path:
        return Path(self._folder.name) / "config.yaml"

    def keep(self) -> None:
        """Copy the file if it has changed and can be used."""
        file = self._boot.config_file
        if file is None:
            return
        try:
            status = file.stat()
            stamp = status.st_mtime_ns, status.st_size
            if stamp == self._seen:
                return
            self._seen = stamp
            text = file.read_bytes()
            policy_of(self._boot.settings())
            self._copy.write_bytes(text)
        except (ConfigError, OSError):
            return  # the workers say what is wrong with it


class Workers(Multiprocess):
    """Says when all are ready; `failed` tells that one could not start."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], address: str, good: GoodConfig
    ) -> None:
        super().__init__(config, sockets)
        self._address = address
        self._good = good
        self._started_s: dict[int, float] = {}
        self._pauses_s: dict[int, float] = {}
        self._restart_at_s: dict[int, float] = {}
        self.failed = False

    def init_processes(self) -> None:
        """Start all of them; one that can't start at all ends the gateway."""
        super().init_processes()
        now_s = time.monotonic()
        self._started_s = dict.fromkeys(range(len(self.processes)), now_s)
        if all(process.wait_until_ready(START_S) for process in self.processes):
            say(f"Tollkeeper is ready on {self._address} with {len(self.processes)} workers")
            say(DASHBOARD.format(self._address))
            return
        self.failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)
        if self.failed:
            self.should_exit.set()

    def terminate_all(self) -> None:
        """Let each worker drain."""
        _log.info("draining", extra={"workers": len(self.processes)})
        super().terminate_all()

    def handle_hup(self) -> None:
        """Each worker reloads by itself; one that is still starting reads the file anyway."""
        self._good.keep()
        for process in self.processes:
            if process.process.is_alive() and process.is_ready(READY_S) and process.pid:
                os.kill(process.pid, signal.SIGHUP)

    def handle_ttin(self) -> None:
        """The number of workers stays."""

    def handle_ttou(self) -> None:
        """The number of workers stays."""

    def keep_subprocess_alive(self) -> None:
        """Start a worker that died again, each time later, until one stays."""
        self._good.keep()
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            now_s = time.monotonic()
            if index in self._restart_at_s:
                if now_s >= self._restart_at_s[index]:
                    self._restart(index)
            elif not process.is_alive(HUNG_S):
                self._bury(index, process)

    def _bury(self, index: int, process: Process) -> None:
        process.kill()
        process.join()
        now_s = time.monotonic()
        steady = now_s - self._started_s[index] >= STEADY_S
        pause_s = FIRST_PAUSE_S if steady else self._pauses_s.get(index, FIRST_PAUSE_S)
        self._pauses_s[index] = min(pause_s * 2, LONGEST_PAUSE_S)
        self._restart_at_s[index] = now_s + pause_s
        _log.error(
            "a worker ended and is started again",
            extra={"pid": process.pid, "exit_code": process.exitcode, "pause_s": pause_s},
        )

    def _restart(self, index: int) -> None:
        del self._restart_at_s[index]
        self._started_s[index] = time.monotonic()
        self.processes[index] = Process(self.config, self.sockets)
        self.processes[index].start()
