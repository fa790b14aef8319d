"""HTTP as clients speak it: http.client of Python's library, and raw sockets for what that would not send."""

import http.client
import json
import socket
import time
import urllib.parse


class WebAnswer:
    """status, headers (names in lower case; of several of one name the last), and the body: parsed if it is JSON."""

    def __init__(self, status, headers, raw):
        self.status, self.raw = status, raw
        self.header_list = [(name.lower(), value) for name, value in headers]
        self.headers = dict(self.header_list)
        self.body = json.loads(raw) if raw and "json" in self.headers.get("content-type", "") else None

    def __repr__(self):
        return f"{self.status} {self.headers} {self.raw[:500]!r}"


class Web:
    """A client of one bridge with one API key (or none), over one connection that is made again when it was closed.
    context: an ssl.SSLContext for https."""

    def __init__(self, url, key=None, seconds=30.0, context=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.key, self.seconds, self.context = parts.hostname, parts.port, key, seconds, context
        self.headers = headers or {}
        self.connection = None

    def as_key(self, key):
        """Another client of the same bridge."""
        return Web(f"http{'s' if self.context else ''}://{self.host}:{self.port}", key, self.seconds, self.context)

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.seconds, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.seconds)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None, *, headers=None, raw=None):
        """body: a value that is sent as JSON; raw: bytes that are sent as they are, with the headers given."""
        headers = {**self.headers, **(headers or {})}
        if self.key and "X-API-Key" not in headers:
            headers["X-API-Key"] = self.key
        if body is not None:
            raw = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in range(2):
            fresh = self.connection is None
            self.connection = self.connection or self.connect()
            try:
                self.connection.request(method, path, raw, headers)
                response = self.connection.getresponse()
                answer = WebAnswer(response.status, response.getheaders(), response.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if fresh or attempt:
                    raise
                continue
            if response.will_close:
                self.close()
            return answer
        raise AssertionError("not reached")

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def patch(self, path, body=None, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    def send(self, body, **more):
        """Sends a notification that must be accepted; returns its id."""
        answer = self.post("/v1/notifications", body, **more)
        assert answer.status == 202, answer
        return answer.body["id"]

    def wait_for(self, notification, *statuses, seconds=15.0):
        """Polls until the status is one of these; returns the record."""
        end = time.monotonic() + seconds
        while True:
            answer = self.get(f"/v1/notifications/{notification}")
            assert answer.status == 200, answer
            if answer.body["status"] in statuses:
                return answer.body
            assert time.monotonic() < end, f"after {seconds:g} s it is {answer.body}"
            time.sleep(0.02)

    # -- Below HTTP

    def open(self):
        connection = socket.create_connection((self.host, self.port), self.seconds)
        return self.context.wrap_socket(connection, server_hostname=self.host) if self.context else connection

    def raw(self, data, seconds=5.0):
        """Sends bytes over a connection of their own; returns all that comes back until it is closed or silent for so
        long."""
        with self.open() as connection:
            connection.settimeout(seconds)
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(connection)

    def stream(self, path, headers=None):
        return Stream(self, path, headers or {})


def read_all(connection):
    """What comes until the other side closes, or is silent for the socket's time-out."""
    got = b""
    while True:
        try:
            part = connection.recv(65536)
        except (socket.timeout, ConnectionResetError):
            return got
        if not part:
            return got
        got += part


def statuses(raw):
    """The status codes of the answers in these bytes, in order."""
    return [int(part.split(b" ", 1)[0]) for part in raw.split(b"HTTP/1.1 ")[1:]]


class Stream:
    """Server-sent events: iterate for dicts with id, event and data (parsed); comments are counted."""

    def __init__(self, web, path, headers):
        headers = dict(headers)
        if web.key:
            headers["X-API-Key"] = web.key
        self.connection = web.connect()
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
        self.response = self.connection.getresponse()
        self.status, self.headers = self.response.status, {k.lower(): v for k, v in self.response.getheaders()}
        self.comments = 0

    def __iter__(self):
        event = {}
        while True:
            line = self.response.readline()
            if not line:
                return
            line = line.rstrip(b"\r\n").decode()
            if not line and event:
                event["data"] = json.loads(event["data"])
                yield event
                event = {}
            elif line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value

    def close(self):
        self.connection.close()
