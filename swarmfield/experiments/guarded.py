"""A command of `swarmfield` that ends at once when whoever started it is gone.

A machine or a worker that is lost must not leave a process behind that keeps the run to itself.
Who starts it holds the other end of its standard input, which closes in every kind of death.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with(descriptor: int) -> None:
    """Kill this process when a pipe's other end is closed; the last checkpoint remains."""
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Carry out the command."""
    threading.Thread(target=end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    # Whoever started it may have had Ctrl-C switched off.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from swarmfield import cli

    cli.main()


if __name__ == "__main__":
    main()
