"""A TCP proxy on loopback that passes, refuses, hangs or loses answers, as it is told.

    with TcpProxy(("127.0.0.1", 5000)) as proxy:
        proxy.refuse()      # connection refused; open connections are reset
        proxy.hang()        # connects, then silence
        proxy.lose_answers(b"POST ")    # such a request is delivered, its answer is not
        proxy.forward()     # as if nothing had been

`proxy.port` stays the same all the time. The reverse of `__enter__` is complete:
no thread and no socket is left.
"""

import contextlib
import enum
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65536
_PATIENCE: Final = 10.0
# Closing with this set sends a reset: the other side learns at once.
_RESET: Final = struct.pack("ii", 1, 0)


class _Mode(enum.Enum):
    FORWARD = enum.auto()
    REFUSE = enum.auto()
    HANG = enum.auto()
    LOSE_ANSWERS = enum.auto()


class TcpProxy:
    """Forwards to `target` from a port of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._mode = _Mode.FORWARD
        self._marker = b""
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._pairs: set[_Pair] = set()
        self._threads: list[threading.Thread] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refuse()
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive()

    def forward(self) -> None:
        """Pass everything on; connections of before are reset."""
        self._become(_Mode.FORWARD)

    def refuse(self) -> None:
        """Refuse connections and reset those that are open."""
        self._become(_Mode.REFUSE)

    def hang(self) -> None:
        """Accept connections and pass nothing on, open ones included."""
        self._become(_Mode.HANG, reset=False)

    def lose_answers(self, marker: bytes) -> None:
        """Deliver requests that begin with *marker*, but not what is answered to them."""
        self._marker = marker
        self._become(_Mode.LOSE_ANSWERS)

    def _become(self, mode: _Mode, *, reset: bool = True) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()
            if mode is _Mode.REFUSE:
                self._unlisten()
            elif self._listener is None:
                self._listen()
            pairs = set(self._pairs) if reset else set()
        for pair in pairs:
            pair.reset()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._start(self._accept, listener)

    def _unlisten(self) -> None:
        if self._listener is not None:
            # Closing alone does not wake a thread that waits in accept.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                pair = _Pair(near, far)
                with self._changed:
                    self._pairs.add(pair)
                self._start(self._pump, pair, near, far)
                self._start(self._pump, pair, far, near)

    def _pump(self, pair: "_Pair", source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                with self._changed:
                    self._changed.wait_for(lambda: self._mode is not _Mode.HANG)
                    losing = self._mode is _Mode.LOSE_ANSWERS
                # Stays so: a request may come in several chunks.
                if losing and source is pair.near and chunk.startswith(self._marker):
                    pair.silenced = True
                if source is pair.near or not pair.silenced:
                    sink.sendall(chunk)
        pair.reset()
        with self._changed:
            self._pairs.discard(pair)


class _Pair:
    """The two connections of one client."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near = near
        self.far = far
        self.silenced = False

    def reset(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # Wakes the thread that waits in recv, which close alone would not.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
