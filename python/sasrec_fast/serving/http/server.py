"""The process that listens: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from sasrec_fast import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

STOPPING_SECONDS = 30
"""Time for what is under way to be answered after SIGTERM."""
KEPT_OPEN_SECONDS = 75


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to an address; it takes connections once the service runs.

    Raises:
        OSError: The address is no address of this machine, or is in use.
        ValueError: There is no such port.
    """
    checks.integer("port", port, 0, 65535)  # of a larger one the rest would be taken
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
    except OSError as failure:
        raise OSError(f"cannot listen on {host}, port {port}: {failure}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as failure:
        made.close()
        raise OSError(f"cannot listen on {host}, port {port}: {failure}") from None
    return made


class Server(uvicorn.Server):
    """Answers on a socket until SIGTERM or SIGINT, and whatever was asked before that.

    Args:
        app: The application.
        reload: Called on SIGHUP.
        started: Called once connections are taken.
    """

    def __init__(
        self, app: ASGIApp, reload: Callable[[], None], started: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                ws="none",
                lifespan="on",
                server_header=False,
                timeout_keep_alive=KEPT_OPEN_SECONDS,
                timeout_graceful_shutdown=STOPPING_SECONDS,
            )
        )
        self._reload, self._started = reload, started

    def run_on(self, taken: socket.socket) -> None:
        """Serve until told to stop.

        Args:
            taken: Of `listening`; closed in the end.
        """
        with taken:
            self.run([taken])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then the caller is told."""
        await super().startup(sockets)
        if self.started:
            self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop by SIGTERM and SIGINT, at once where they come again; nothing is raised later."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: lambda: self.handle_exit(signal.SIGTERM, None),
            signal.SIGINT: lambda: self.handle_exit(signal.SIGINT, None),
            signal.SIGHUP: self._reload,
        }
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, earlier in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, earlier)
