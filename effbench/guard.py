"""The one door through which code of plugins is called in the parent: ``with strangers("method 'x'"): ...``.

Whatever happens behind it is one sentence, ``PluginFailure``: an exception, an exit, an interrupt that nobody sent. What is
printed there goes to stderr, also from C, so that stdout carries our own output alone. The working folder, the environment,
the built-in functions, ``sys.path``, ``sys.argv``, the warning filters, the streams and the handlers of signals are
afterwards what they were.
A worker needs none of this: it is a process of its own whose output is a log.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from effbench.api import PluginError
from effbench.errors import one_line

PATIENCE_S = 30.0
"""How long a rehearsal may take before it says nothing."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class PluginFailure(Exception):
    """A stranger's code failed in this process; the message is one sentence, ``__cause__`` what was raised."""


@contextlib.contextmanager
def strangers(who: str) -> Iterator[None]:
    """Run a stranger's code; raise ``PluginFailure`` that names ``who`` where it raises or exits.

    The sentence of a ``PluginError`` stands alone, since its author wrote it for the user. An interrupt that the user did
    send, and nothing else, passes.
    """
    sent: list[int] = []
    with diverted(), warnings.catch_warnings(), _no_silent_end():
        _mark_interrupts(sent)
        try:
            yield
        except KeyboardInterrupt as error:
            if sent:
                raise
            raise PluginFailure(f"{who} raised KeyboardInterrupt") from error
        except PluginError as error:
            sentence = one_line(error, kind=False, longest=2000)
            raise PluginFailure(sentence or f"{who} raised {type(error).__name__}") from error
        except SystemExit as error:
            raise PluginFailure(f"{who} called exit({error.code!r})") from error
        except BaseException as error:
            raise PluginFailure(f"{who} raised {one_line(error)}") from error


@contextlib.contextmanager
def _no_silent_end() -> Iterator[None]:
    """Let ``os._exit`` raise ``SystemExit`` in this process: with code 0 it would look like a command that was done."""
    really, own = os._exit, os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != own:  # a forked child ends in no other way
            really(status)
        raise SystemExit(status)

    os._exit = leave
    try:
        yield
    finally:
        os._exit = really


@contextlib.contextmanager
def diverted() -> Iterator[None]:
    """Keep stdout and all else that ``strangers`` restores from what runs inside; whatever it raises passes."""
    before = _Surroundings()
    try:
        _divert()
        yield
    finally:
        _restore(before)


def dies(act: Callable[[], object]) -> str:
    """Return "" where a copy of this process survives ``act``, else how the copy ended: ``os._exit`` or a crash in C code.

    For what cannot be caught. An exception is no death: the caller will meet it in this process. "" where it cannot be told.
    """
    if sys.platform != "linux":  # elsewhere a forked copy may crash by itself
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # threads: the copy only runs ``act``, and its time is bounded
        child = os.fork()
    if child == 0:
        try:
            _quiet_copy()
            act()
        except BaseException:  # noqa: BLE001 - the parent will see it for itself
            pass
        os.kill(os.getpid(), signal.SIGKILL)  # the one end that no ``os._exit`` and no crash looks like
    deadline = time.monotonic() + PATIENCE_S
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return ""
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(ended[1])
    if code == -signal.SIGKILL:
        return ""
    return f"ends the process with exit code {code}" if code >= 0 else f"ends the process by {_signal_name(-code)}"


def _quiet_copy() -> None:
    """Leave nothing of the copy to be seen: its streams, and what Python would do where it crashes."""
    import faulthandler

    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(nowhere, "w"))


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


class _Surroundings:
    """What a plugin may leave changed, as it was before."""

    def __init__(self) -> None:
        self.folder = _folder()
        self.environment = dict(os.environ)
        self.path, self.arguments = list(sys.path), list(sys.argv)
        self.built_in = dict(vars(builtins))
        self.streams = sys.stdin, sys.stdout, sys.stderr
        is_main = threading.current_thread() is threading.main_thread()
        self.handlers = {number: signal.getsignal(number) for number in INTERRUPTS} if is_main else {}
        _flush()
        self.stdout = _duplicate(1)


def _restore(before: _Surroundings) -> None:
    for number, handler in before.handlers.items():
        if handler is not None:
            signal.signal(number, handler)
    for name, value in before.built_in.items():
        if vars(builtins).get(name) is not value:
            setattr(builtins, name, value)
    _flush()
    sys.stdin, sys.stdout, sys.stderr = before.streams
    if before.stdout is not None:
        os.dup2(before.stdout, 1)
        os.close(before.stdout)
    if before.folder is not None and _folder() != before.folder:
        os.chdir(before.folder)
    if os.environ != before.environment:
        for name in set(os.environ) - set(before.environment):
            del os.environ[name]
        os.environ.update(before.environment)
    # What a plugin added to the path it may need later; it goes behind ours, so that it hides nothing.
    sys.path[:] = [*before.path, *(place for place in sys.path if place not in before.path)]
    sys.argv[:] = before.arguments
    # Last registered, first run: before anything that the plugin has registered to print at the end.
    atexit.unregister(_seal)
    atexit.register(_seal)


def _mark_interrupts(sent: list[int]) -> None:
    """Let the handlers of this process note that a signal came, so that a raised KeyboardInterrupt can be told apart."""
    if threading.current_thread() is not threading.main_thread():
        sent.append(0)  # cannot be told here: an interrupt counts as sent
        return

    def marking(number: int, before: Any) -> Callable[[int, Any], None]:
        def mark(seen: int, frame: Any) -> None:
            sent.append(number)
            before(seen, frame)

        return mark

    for number in INTERRUPTS:
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, marking(number, before))


_stand_in: TextIO | None = None


def _divert() -> None:
    """Send what is printed to stderr: by Python through a stream that may be closed without harm, by others through fd 1."""
    global _stand_in
    if _stand_in is None or _stand_in.closed:
        try:
            raw = io.FileIO(2, "w", closefd=False)
        except OSError:  # there is no stderr
            raw = io.FileIO(os.devnull, "w")
        _stand_in = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
    sys.stdout = _stand_in
    try:
        os.dup2(2, 1)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != 1:
            os.dup2(nowhere, 1)
            os.close(nowhere)


def _seal() -> None:
    """At the end of the process, keep stdout from whatever a plugin still prints (a handler, a buffer of C, a thread)."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        os.dup2(2, 1)


def _flush() -> None:
    """Empty the buffers of Python and of C, as far as there are streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if os.name == "posix":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:
        return None


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        return None  # it was removed
