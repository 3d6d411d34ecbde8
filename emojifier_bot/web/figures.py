"""Serves a process's figures to Prometheus, on a port of their own.

They tell how much the bot is used, so they are not on the port that the world reaches.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

logger = logging.getLogger(__name__)

#: Processes of one machine that find a port each, from the one that is set upward.
MOST_PORTS, LAST_PORT = 32, 65535


@contextmanager
def serve_figures(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Serve until the end of the block; without a port the bot runs all the same.

    Args:
        registry: What is served.
        host: The address to listen on.
        port: The first port to try; 0 takes any.

    Yields:
        The port, or 0 where none could be had.
    """
    for number in _tried(port):
        try:
            server, thread = start_http_server(number, host, registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
            continue
        facts = {"action": "figures", "port": server.server_port}
        logger.info("Figures are served", extra=facts)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        return
    facts = {"action": "figures", "host": host, "port": port}
    logger.warning("No port for the figures can be had", extra=facts)
    yield 0


def _tried(port: int) -> range:
    return range(port, min(port + MOST_PORTS, LAST_PORT + 1)) if port else range(1)
