"""An object store for tests: moto's S3, behind HTTP on loopback, in memory.

It runs in a process of its own, and is found as any S3 is, by AWS's environment variables.

    python -m tests.servers.s3
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.servers.process import ServerMissing, running

KEY: Final = "correct-horse"


@contextmanager
def open_s3() -> Iterator[dict[str, str]]:
    """Run a store without a bucket; gives the variables by which boto, and s3fs, find it.

    Raises
    ------
    ServerMissing
        moto or s3fs is not installed.
    """
    for name in ("moto", "s3fs"):
        if importlib.util.find_spec(name) is None:
            raise ServerMissing(f"no {name} here: pip install s3fs 'moto[server]'")
    with running("tests.servers.s3") as (_, port):
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def main() -> None:
    """Print the port, and serve until ended."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
