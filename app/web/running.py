"""What every route shares: one value on the app, whose `gateway` is replaced whole on a reload."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from app.ports import Recorder as Told
from app.web.bodies import Pending

if TYPE_CHECKING:
    from app.calls.gateway import Gateway
    from app.config.settings import Settings
    from app.core.ended import Refused
    from app.core.keys import Key
    from app.core.standing import Standing
    from app.ports import Upstream
    from app.store.store import Store

Header: TypeAlias = tuple[bytes, bytes]


class KeyFinder(Protocol):
    """Finds a key by its secret; the cached look-up costs no await."""

    def find_cached(self, secret: str) -> Key | None:
        """The key, if it was looked up within the last second."""

    async def find(self, secret: str) -> Key | None:
        """The key, or None when there is none.  Raises LedgerUnavailable."""


class Recorder(Told, Protocol):
    """The recorder as the operations routes see it."""

    def text(self, standing: Standing | None) -> bytes:
        """Everything counted so far, and how the ledger stands, in Prometheus's text format."""

    def reloaded(self, *, refused: bool) -> None:
        """Note that the config file changed, and whether it was refused."""


@dataclass(slots=True)
class RunningGateway:
    """The running gateway. `every` are headers for every answer (the simulated upstream's mark).

    `retired` upstreams were replaced by a reload: calls that began with them go on, and their idle
    connections end by themselves.
    """

    gateway: Gateway
    settings: Settings
    store: Store
    recorder: Recorder
    master_key: str
    metrics_token: str | None = None
    every: tuple[Header, ...] = ()
    config_refusal: str | None = None
    pending: Pending = field(default_factory=Pending)
    retired: list[Upstream] = field(default_factory=list)

    def tell_refused(self, call: Refused) -> None:
        """Count, log and keep a call that was refused before its hold."""
        self.recorder.refused(call)
        self.store.refusals.note(call)
