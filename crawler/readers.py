"""Processes that read pages: hostile markup can hold up or break a reader, never the crawl.

A reader is sent pages over a socket, a few ahead so that it need not wait, and answers them in order. One that takes too
long is killed, and the page it was at is kept unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import resource
import signal
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, cast

from crawler.apk import BadPackage, read_apk
from crawler.reading import Interest, Reading, Shown, Unreadable, no_interest, read
from data.records import Target

READ_SECONDS = 20.0
READER_BYTES = 3 << 30  # of address space; what a page may make of a reader before it is killed
AHEAD = 3
_LENGTH = struct.Struct("!Q")


class _Task(Enum):
    PAGE = auto()
    PACKAGE = auto()


@dataclass(slots=True)
class _Page:
    """A page to be read, as the reader is sent it; ``blamed``: a reader ended while it was at this page."""

    task: bytes
    answer: asyncio.Future[Any]
    blamed: bool = False


class Readers:
    """A pool of reader processes. ``interest`` is a picklable callable that loads the judge of interest in each."""

    def __init__(self, interest: Callable[[], Interest] | None, count: int | None = None) -> None:
        self.interest = interest
        self.count = count or max((os.cpu_count() or 2) - 1, 1)
        self._waiting: deque[_Page] = deque()
        self._closed = False
        # They take their time to start: they begin before the first page is there.
        self._readers = [_Reader(self._waiting, self._ended, interest) for _ in range(self.count)]

    async def read(self, body: bytes, content_type: str, url: str, shown: Shown | None = None) -> Reading:
        """What a page says. Raises ``Unreadable``."""
        reading: Reading = await self._ask(_Task.PAGE, body, content_type, url, shown)
        return reading

    async def read_package(self, content: bytes | Path, url: str) -> Target:
        """What a package says. Raises ``BadPackage``, ``Unreadable``."""
        target: Target = await self._ask(_Task.PACKAGE, content, url)
        return target

    async def _ask(self, task: _Task, *arguments: Any) -> Any:
        """What was to be read when its reader was ended for another's sake is read by the next one."""
        page = _Page(_message((task, arguments)), asyncio.get_running_loop().create_future())
        self._waiting.append(page)
        self._go_on()
        return await page.answer

    def _go_on(self) -> None:
        while len(self._readers) < self.count and not self._closed:
            self._readers.append(_Reader(self._waiting, self._ended, self.interest))
        for reader in self._readers:
            reader.go_on()

    def _ended(self, reader: _Reader) -> None:
        self._readers.remove(reader)
        # Without a page that waits none is started: one that cannot start would be started for ever.
        if self._waiting:
            self._go_on()

    def close(self) -> None:
        """End the readers."""
        self._closed = True
        for reader in self._readers:
            reader.kill()


class _Reader(asyncio.Protocol):
    """One process, and the pages it has been sent. Takes more from ``waiting``; tells ``ended`` when it is no more."""

    def __init__(
        self, waiting: deque[_Page], ended: Callable[[_Reader], None], interest: Callable[[], Interest] | None
    ) -> None:
        self._waiting = waiting
        self._ended = ended
        self._sent: deque[_Page] = deque()
        self._received = bytearray()
        self._ready = self._dead = False
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._ours, theirs = socket.socketpair()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=_serve, args=(theirs, os.getpid(), interest), daemon=True)
        self._process.start()
        theirs.close()

    def go_on(self) -> None:
        """Send what waits, as far ahead as it goes."""
        if self._transport is None:
            self._connecting = self._connecting or asyncio.ensure_future(self._connect())
            return
        while self._waiting and len(self._sent) < AHEAD and not self._dead:
            page = self._waiting.popleft()
            if page.answer.done():  # nobody waits for it any more
                continue
            self._sent.append(page)
            self._transport.write(page.task)
        self._watch()

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, sock=self._ours)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self.go_on()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                break
            answer = pickle.loads(self._received[_LENGTH.size : end])  # noqa: S301  # our own process's
            del self._received[:end]
            if not self._ready:  # the first is only its word that it has started
                self._ready = True
                continue
            self._unwatch()
            _settle(self._sent.popleft(), answer)
        self.go_on()

    # -- what does not come back -----------------------------------------------------------------------------------

    def _watch(self) -> None:
        """The time begins when the page's turn comes; a long queue is not the page's fault."""
        if self._alarm is None and self._ready and self._sent:
            self._alarm = asyncio.get_running_loop().call_later(READ_SECONDS, self._late)

    def _unwatch(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        _settle(self._sent.popleft(), Unreadable(f"{READ_SECONDS:g} 秒内未能读完"))
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._unwatch()
        if self._sent:
            page = self._sent[0]
            if page.blamed:
                _settle(self._sent.popleft(), Unreadable("读取进程意外结束"))
            page.blamed = True
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._ended(self)

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self._dead = True
        self._process.kill()
        # After a crawl the loop may be gone, and the connection with it.
        with contextlib.suppress(RuntimeError):
            if self._transport is not None:
                self._transport.abort()
            else:
                self._ours.close()


def _settle(page: _Page, answer: object) -> None:
    if page.answer.done():
        return
    if isinstance(answer, Exception):
        page.answer.set_exception(answer)
    else:
        page.answer.set_result(answer)


def _message(content: object) -> bytes:
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(packed)) + packed


# -- the process -------------------------------------------------------------------------------------------------------


def _serve(channel: socket.socket, parent: int, interest: Callable[[], Interest] | None) -> None:
    """Read page after page. Ctrl-C is for the crawl alone, and a crawl that is gone leaves no reader behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (READER_BYTES, READER_BYTES))

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    judge = interest() if interest is not None else no_interest
    # What is loaded by now stays, and need not be looked through for garbage page after page.
    gc.freeze()
    # Whoever sends is gone when the channel ends.
    with channel, channel.makefile("rb") as stream, contextlib.suppress(ConnectionError):
        channel.sendall(_message("ready"))
        while header := stream.read(_LENGTH.size):
            channel.sendall(_message(_answer(stream.read(_LENGTH.unpack(header)[0]), judge)))


def _answer(message: bytes, judge: Interest) -> object:
    try:
        task, arguments = pickle.loads(message)  # noqa: S301  # the crawl's own
        if task is _Task.PACKAGE:
            return read_apk(*arguments)
        body, content_type, url, shown = arguments
        return read(body, content_type, url, shown, judge)
    except BadPackage as error:
        return error
    except MemoryError:
        return Unreadable("读取时内存超过上限")
    except Exception as error:  # markup finds ways into faults that nobody thought of
        return Unreadable(f"{type(error).__name__}：{error}")
