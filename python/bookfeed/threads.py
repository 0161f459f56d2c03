"""Threads of our own: daemons, whose end the end of the program does not wait for."""

import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begin(work: Callable[[], object], name: str) -> threading.Thread:
    """Begins ``work`` in a new thread; ``OSError`` if the system gives none."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        problem = f"no thread for {name}: the limits of memory or threads are reached (ulimit -a)"
        raise OSError(errno.EAGAIN, problem) from error
    return thread


def in_a_thread(work: Callable[[], T], name: str) -> "Future[T]":
    """Does ``work`` in a thread of its own, and cannot be cancelled; ``OSError`` as ``begin``."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(result)

    begin(run, name)
    return done
