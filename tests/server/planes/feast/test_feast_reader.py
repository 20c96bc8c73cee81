"""A feature server is asked as its users ask it: right columns, right values, in time."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from trilock.server.domain.ports import Comparison, Example
from trilock.server.planes.feast.reader import ask

WEATHER = Comparison(
    view="weather",
    offline=2,
    online=2,
    sampled=2,
    differences=(),
    examples=(
        Example(keys={"origin": "EWR"}, values={"temp": 10.0}),
        Example(keys={"origin": "JFK"}, values={"temp": 20.0}),
    ),
)


class Server:
    """Answers like a Feast feature server."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.status = 200
        self.columns = ["origin", "temp"]
        self.values: list[list[Any]] = [["EWR", "JFK"], [10.0, 20.0]]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.asked.append((self.path, json.loads(self.rfile.read(length))))
                body = json.dumps(
                    {
                        "metadata": {"feature_names": outer.columns},
                        "results": [{"values": values} for values in outer.values],
                    }
                ).encode()
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_server_that_serves_the_values_is_content(server: Server) -> None:
    assert ask(server.url, comparisons=[WEATHER]) == ""
    assert server.asked == [
        (
            "/get-online-features",
            {"features": ["weather:temp"], "entities": {"origin": ["EWR", "JFK"]}},
        )
    ]


def test_old_values_are_told(server: Server) -> None:
    server.values[1] = [10.0, 2000.0]

    assert ask(server.url, comparisons=[WEATHER]) == (
        f"{server.url} does not serve weather yet: "
        "temp is 2000.0, not 20.0, for {'origin': 'JFK'}"
    )


def test_old_columns_and_errors_are_told(server: Server) -> None:
    server.columns = ["origin", "acc"]
    columns = ask(server.url, comparisons=[WEATHER])
    server.status = 500
    error = ask(server.url, comparisons=[WEATHER])

    assert columns.endswith("does not serve weather yet: it has no temp")
    assert "HTTP Error 500" in error


def test_a_server_that_is_not_there_is_told() -> None:
    told = ask("http://127.0.0.1:1", comparisons=[WEATHER])

    assert "does not serve weather yet: URLError" in told
