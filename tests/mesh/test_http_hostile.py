"""What an HTTP server on the internet is sent: each case is refused, cheaply, and honest clients do not notice."""

import contextlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness.mesh import one_of_each
from harness.waiting import until, within
from harness.web import read_all, statuses

KIB, MIB = 1024, 1024 * 1024


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    return make_module_mesh(one_of_each(bridge=1))


@pytest.fixture(scope="module")
def web(mesh):
    return mesh.web(mesh.service("tenant"))


@pytest.fixture(autouse=True)
def honest(mesh, web):
    """After each case the bridge still runs and serves."""
    pid = mesh["bridge-1"].process.pid
    yield
    assert mesh["bridge-1"].running() and mesh["bridge-1"].process.pid == pid
    web.close()
    assert web.post("/v1/notifications", valid()).status == 202


def valid(**more):
    return {"channel": "email", "recipient": "hostile@t.test", "subject": "s", "content": "c", **more}


def resident(mesh):
    """Bytes of memory that the bridge has now."""
    text = pathlib.Path(f"/proc/{mesh['bridge-1'].process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(text.split("Pss:")[1].split()[0]) * KIB


def head(*lines, key=None, method="POST", path="/v1/notifications"):
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *([f"X-API-Key: {key}"] if key else []),
             "Content-Type: application/json", *lines]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


BODY = json.dumps(valid()).encode()
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


# -- Requests that two servers could read differently: refused, and the connection is closed

SMUGGLING = {
    "a length beside a transfer coding": ("Content-Length: 4", "Transfer-Encoding: chunked"),
    "a transfer coding beside a length": ("Transfer-Encoding: chunked", "Content-Length: 4"),
    "two lengths": ("Content-Length: 4", "Content-Length: 40"),
    "one length twice": (f"Content-Length: {len(BODY)}", f"Content-Length: {len(BODY)}"),
    "a list of lengths": (f"Content-Length: {len(BODY)}, {len(BODY)}",),
    "a length with a sign": ("Content-Length: +4",),
    "a negative length": ("Content-Length: -1",),
    "a length in hex": ("Content-Length: 0x10",),
    "a length that is none": ("Content-Length: 4x",),
    "an empty length": ("Content-Length:",),
    "a length beyond 64 bits": ("Content-Length: 99999999999999999999999",),
    "a coding that is almost chunked": ("Transfer-Encoding: xchunked",),
    "chunked and another": ("Transfer-Encoding: gzip, chunked",),
    "chunked twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "a coding with a tab before it": ("Transfer-Encoding: \x0bchunked",),
    "a space before the colon": ("Content-Length : 4",),
    "a space in a name": ("Content Length: 4",),
    "a name in quotes": ('"Content-Length": 4',),
    "a name with bytes above 127": ("Content-L\xe4nge: 4",),
    "no name": (": value",),
    "no colon": ("nonsense",),
    "a line that goes on in the next": ("X-Long: a", " b"),
    "a line that goes on after a tab": ("X-Long: a", "\tTransfer-Encoding: chunked"),
    "a control character in a value": ("X-Odd: a\x01b",),
    "a NUL in a value": ("X-Odd: a\x00b",),
    "two hosts": ("Host: other",),
    "two keys": ("X-API-Key: a", "X-API-Key: b"),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_an_ambiguous_head_is_refused_and_nothing_after_it_is_heard(web, name):
    answer = web.raw(head(*SMUGGLING[name], key=web.key) + BODY + SMUGGLED, 3)
    # What libmicrohttpd refuses by itself, a length that is none, it says twice before it closes.
    assert set(statuses(answer)) <= {400, 413} and b"Connection: close" in answer, answer


BARE = {
    "in a field": b"POST /v1/notifications HTTP/1.1\r\nHost: h\r\nX-API-Key: KEY\nContent-Length: 0\r\n\r\n",
    "in the request line": b"GET /health HTTP/1.1\nHost: h\r\n\r\n",
    "at the end of the last field": b"GET /health HTTP/1.1\r\nHost: h\n\r\n",
    "at the end of the head": b"GET /health HTTP/1.1\r\nHost: h\r\n\n",
    "everywhere": b"GET /health HTTP/1.1\nHost: h\n\n",
    "only": b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\nb: c\r\n\r\n",
}


@pytest.mark.parametrize("where", BARE)
def test_a_bare_line_feed_is_refused(web, where):
    assert statuses(web.raw(BARE[where].replace(b"KEY", web.key.encode()) + SMUGGLED, 3)) == [400]


@pytest.mark.parametrize("line", [b"GET  /health HTTP/1.1", b"GET /health  HTTP/1.1", b"GET /health HTTP/1.1 ",
                                  b"GET /hea lth HTTP/1.1", b"GET /health\tHTTP/1.1", b"GET http://h/health HTTP/1.1",
                                  b"GET /health#x HTTP/1.1", b"GET health HTTP/1.1", b"GET /health HTTP/3.0",
                                  b"GET /health HTTP/1.1x", b"GET /health", b"GET", b"\x16\x03\x01\x02\x00\x01\x00",
                                  b"GET /\xc3\xa4 HTTP/1.1", b"GET /a\x00b HTTP/1.1"])
def test_an_odd_request_line_is_refused(web, line):
    answer = web.raw(line + b"\r\nHost: h\r\n\r\n" + SMUGGLED, 2)
    assert statuses(answer) in ([400], [505], [], [404]) and 404 not in statuses(answer)[:1], answer


def test_a_request_without_a_host_is_refused(web):
    assert statuses(web.raw(b"GET /health HTTP/1.1\r\n\r\n", 2)) == [400]


def test_empty_lines_before_a_request_do_no_harm(web):
    assert statuses(web.raw(b"\r\n" * 2048 + b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 3)) == [200]


@pytest.mark.parametrize("body", [b"zz\r\n", b"-1\r\nx\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabc\r\n0\r\n\r\n"])
def test_broken_chunks_are_refused(web, body):
    codes = statuses(web.raw(head("Transfer-Encoding: chunked", key=web.key) + body + SMUGGLED, 1.5))
    assert codes in ([400], [], [413]), codes


# -- Sizes

def test_a_head_of_64_kib_is_431(mesh, web):
    before = resident(mesh)
    assert statuses(web.raw(head("X-Big: " + "a" * 64 * KIB, key=web.key), 2)) == [431]
    assert statuses(web.raw(b"GET /" + b"a" * 64 * KIB + b" HTTP/1.1\r\nHost: h\r\n\r\n", 2)) in ([414], [431])
    assert statuses(web.raw(head(*["X-Many: a"] * 200, key=web.key), 2)) == [431]
    assert resident(mesh) - before < 2 * MIB


def large_head(size, fields):
    """GET /health with so many bytes of head in so many fields."""
    lines = ["Connection: close", *["X: a"] * (fields - 3)]   # Host, and the two of head()
    short = len(head(*lines, method="GET", path="/health"))
    return head(*lines[:-1], "X: " + "a" * (size - short + 1), method="GET", path="/health")


@pytest.mark.parametrize("fields", [5, 100])
def test_a_head_of_32_kib_is_taken_and_a_larger_one_is_a_problem(web, fields):
    assert len(large_head(32 * KIB, fields)) == 32 * KIB
    assert statuses(web.raw(large_head(32 * KIB, fields), 3)) == [200]
    assert_refused(web, large_head(32 * KIB + 1, fields), 431)
    assert_refused(web, large_head(36 * KIB, fields), 431)


def test_a_target_of_8_kib_is_taken_and_a_longer_one_is_a_problem(web):
    def request(size):
        return head("Connection: close", key=web.key, method="GET", path="/v1/notifications?a=" + "x" * (size - 20))
    assert statuses(web.raw(request(8 * KIB), 3)) == [422]
    assert_refused(web, request(8 * KIB + 1), 414)
    assert_refused(web, request(30 * KIB), 414)


def test_fields_beyond_100_are_a_problem(web):
    for count in (101, 300):
        assert_refused(web, head(*["X: a"] * (count - 2), method="GET", path="/health"), 431)


def assert_refused(web, request, status):
    """With a problem, and the connection ends."""
    answer = web.raw(request, 3)
    assert statuses(answer) == [status] and b"Connection: close" in answer, answer
    fields, body = answer.split(b"\r\n\r\n", 1)
    problem = json.loads(body)
    assert b"Content-Type: application/problem+json" in fields and problem["status"] == status
    assert problem["title"] == {414: "URI Too Long", 431: "Request Header Fields Too Large"}[status]


def test_a_body_of_1_gib_is_refused_before_it_is_sent(mesh, web):
    before = resident(mesh)
    answer = web.raw(head(f"Content-Length: {1 << 30}", key=web.key) + b"x" * 4 * MIB, 3)
    assert statuses(answer) == [413]
    assert b"application/problem+json" in answer
    assert resident(mesh) - before < 2 * MIB


def test_a_body_that_is_just_too_large_is_413_and_one_that_just_fits_is_read(web):
    def of_size(size):
        return b"{" + b" " * (size - 2) + b"}"
    for path, most in [("/v1/notifications/batch", 10 * MIB), ("/v1/services", MIB)]:
        client = web if "batch" in path else web
        codes = [client.post(path, raw=of_size(size), headers={"Content-Type": "application/json"}).status
                 for size in (most, most + 1)]
        assert codes in ([422, 413], [403, 403]), codes


def test_a_chunked_body_without_end_is_cut_off(mesh, web):
    before = resident(mesh)
    sent = 0
    with web.open() as connection:
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            connection.sendall(head("Transfer-Encoding: chunked", key=web.key))
            while sent < 200 * MIB:
                connection.sendall(b"100000\r\n" + b"x" * MIB + b"\r\n")
                sent += MIB
    assert sent < 100 * MIB
    assert resident(mesh) - before < 50 * MIB   # With what a sanitizer keeps of freed memory


# -- JSON

DEEP = b"[" * 100000 + b"]" * 100000
JSON = {
    "nothing": b"", "a space": b" ", "an open object": b'{"channel":', "not JSON": b"channel=email",
    "a list": b"[]", "a number": b"1", "null": b"null", "a string": b'"x"',
    "a name twice": b'{"channel": "email", "channel": "sms"}',
    "a name twice, once escaped": b'{"channel": "email", "\\u0063hannel": "sms"}',
    "16 deep": b'{"metadata": ' + b'{"a":' * 14 + b"1" + b"}" * 14 + b"}", "100,000 deep": b'{"metadata": ' + DEEP + b"}", "17 deep": b'{"metadata": ' + b'{"a":' * 17 + b"1" + b"}" * 17 + b"}",
    "bad UTF-8": b'{"subject": "\xff"}', "overlong UTF-8": b'{"subject": "\xc0\xaf"}',
    "a surrogate": b'{"subject": "\\ud800"}', "a surrogate as UTF-8": b'{"subject": "\xed\xa0\x80"}',
    "a NUL": b'{"subject": "a\\u0000b"}', "a raw NUL": b'{"subject": "a\x00b"}', "a byte order mark": b"\xef\xbb\xbf{}",
    "a raw line end": b'{"subject": "a\nb"}', "NaN": b'{"metadata": {"a": NaN}}', "1e999": b'{"metadata": {"a": 1e999}}',
    "beyond 64 bits": b'{"metadata": {"a": 99999999999999999999}}', "a comment": b"{} // x", "a trailing comma": b'{"a": 1,}',
    "two values": b"{}{}", "single quotes": b"{'channel': 'email'}", "a number of 1 MB": b'{"a": ' + b"9" * 900000 + b"}",
    "UTF-16": '{"channel": "email"}'.encode("utf-16"),
}


@pytest.mark.parametrize("name", JSON)
def test_what_is_no_strict_json_object_is_400(web, name):
    started = time.monotonic()
    answer = web.post("/v1/notifications", raw=JSON[name], headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert time.monotonic() - started < within(2)


def test_200_000_members_are_refused(web):
    body = ("{" + ",".join(f'"k{i}":1' for i in range(80000)) + "}").encode()
    assert web.post("/v1/notifications", raw=body, headers={"Content-Type": "application/json"}).status in (400, 422)
    items = b'{"notifications": [' + b",".join([b"1"] * 300000) + b"]}"
    answer = web.post("/v1/notifications/batch", raw=items, headers={"Content-Type": "application/json"})
    assert answer.status in (400, 422), answer


@pytest.mark.parametrize("field", ["subject", "recipient", "provider", "template", "language", "request_id"])
@pytest.mark.parametrize("text", ["a\r\nBcc: evil@t.test", "a\nb", "a\u2028b\r"])
def test_a_line_end_never_gets_into_a_header(web, field, text):
    answer = web.post("/v1/notifications", valid(**{field: text}))
    assert answer.status == 422, answer
    assert b"\r\nbcc" not in str(answer.headers).lower().encode()


@pytest.mark.parametrize("name", ["X-Correlation-ID", "Idempotency-Key", "traceparent", "X-API-Key", "Authorization",
                                  "Last-Event-ID", "X-Forwarded-For", "Origin"])
@pytest.mark.parametrize("value", ["x" * 9000, "\xff\xfe", "%0d%0aSet-Cookie: a=b", "\"'`${jndi:ldap://x}<script>"])
def test_odd_values_of_our_fields_come_to_nothing(web, name, value):
    answer = web.raw(f"GET /v1/notifications?limit=1 HTTP/1.1\r\nHost: h\r\n{name}: {value}\r\nConnection: close\r\n"
                     .encode("latin-1") + (b"" if name == "X-API-Key" else b"X-API-Key: " + web.key.encode() + b"\r\n")
                     + b"\r\n", 3)
    assert statuses(answer) in ([200], [400], [401]), answer
    assert b"Set-Cookie" not in answer.split(b"\r\n\r\n")[0]


@pytest.mark.parametrize("value", [b"\xff", b"1-5\xc3", b"x" * 9000])
def test_a_place_in_a_stream_that_is_no_text_is_400_and_spoils_nobodys_frame(web, value):
    answer = web.raw(b"GET /v1/events HTTP/1.1\r\nHost: h\r\nX-API-Key: " + web.key.encode() +
                     b"\r\nLast-Event-ID: " + value + b"\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [400], answer


# -- Time: three sorts of slow clients at once, so that their time passes once

class Slow(threading.Thread):
    """Does its work until its connections are cut off; seconds: how long that took."""

    def __init__(self, web, work):
        super().__init__()
        self.web, self.work, self.seconds, self.heard = web, work, None, b""
        self.began = time.monotonic()
        self.start()

    def run(self):
        self.work(self)
        self.seconds = time.monotonic() - self.began


def drip_heads(self):
    """Slow-loris: 200 heads that come byte by byte."""
    left = [self.web.open() for _ in range(200)]
    for connection in left:
        connection.sendall(b"POST /v1/notifications HTTP/1.1\r\nHost: h\r\nX-Slow: ")
    while left and time.monotonic() < self.began + 12:
        time.sleep(0.25)
        for connection in list(left):
            try:
                connection.send(b"a")
            except OSError:
                connection.close()
                left.remove(connection)
    self.heard = left


def drip_body(self):
    with self.web.open() as connection:
        connection.settimeout(10)
        connection.sendall(head(f"Content-Length: {len(BODY)}", key=self.web.key))
        with contextlib.suppress(OSError):
            for byte in BODY:
                connection.sendall(bytes([byte]))
                time.sleep(0.2)
        self.heard = read_all(connection)


def never_read(self):
    """It asks for more and more and never reads an answer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((self.web.host, self.web.port))
        connection.settimeout(15)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(head(key=self.web.key, method="GET", path="/v1/notifications?limit=20"))


@pytest.fixture(scope="module")
def slow(mesh, web):
    for _ in range(50):
        web.send(valid(send_at="2999-01-01T00:00:00Z"))
    before = resident(mesh)
    threads = {work.__name__: Slow(web, work) for work in (drip_heads, drip_body, never_read)}
    yield threads
    for thread in threads.values():
        thread.join()
    assert resident(mesh) - before < 50 * MIB   # With what a sanitizer keeps of freed memory


def test_200_slow_clients_do_not_slow_the_honest_ones(slow, web):
    honest_one = web.as_key(web.key)
    took = []
    while slow["drip_heads"].is_alive():
        started = time.monotonic()
        assert honest_one.post("/v1/notifications", valid()).status == 202
        took.append(time.monotonic() - started)
        time.sleep(0.02)
    honest_one.close()
    assert slow["drip_heads"].heard == [] and slow["drip_heads"].seconds < within(10)
    assert sorted(took)[len(took) * 95 // 100] < within(0.25), sorted(took)[-10:]


def test_a_slow_body_is_cut_off(slow):
    slow["drip_body"].join()
    assert slow["drip_body"].heard == b"" and slow["drip_body"].seconds < 10


def test_a_client_that_reads_nothing_is_cut_off(slow):
    slow["never_read"].join()
    assert slow["never_read"].seconds < 15


# -- Many

def test_1000_resting_connections_cost_little(mesh, web):
    """A tenth of what the bench measures, with sanitizers in the way of exact figures."""
    connections = []
    try:
        for _ in range(1000):
            connection = web.open()
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            connections.append(connection)
        for connection in connections:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        until(lambda: mesh["bridge-1"].status()["connections"] >= 1000, "all are there")
        time.sleep(2)
        assert web.get("/health").status == 200
        for connection in connections[:50]:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in connections:
            connection.close()
    until(lambda: mesh["bridge-1"].status()["connections"] < 5, "all have gone")


EVENTS = 6000   # Of 3,000 notifications that wait: accepted, and scheduled


@pytest.fixture(scope="module")
def storied(make_module_mesh):
    """A web client whose service has many events."""
    mesh = make_module_mesh(one_of_each(bridge=1))
    web = mesh.web(mesh.service("tenant"))
    for _ in range(3):
        made = web.post("/v1/notifications/batch", {"notifications": [valid(send_at="2999-01-01T00:00:00Z")] * 1000})
        assert made.body["accepted"] == 1000
    return web


def streams(web, name="nmesh_http_streams"):
    return int(re.search(rf"^{name}\{{[^}}]*\}} (\d+)$", web.get("/metrics").raw.decode(), re.M).group(1))


@contextlib.contextmanager
def narrow_stream(web):
    """All events, over a connection that takes in little before it is read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((web.host, web.port))
        connection.sendall(head(key=web.key, method="GET", path="/v1/events?cursor=0"))
        connection.settimeout(10)
        yield connection


def pieces(web):
    """How often the gateway was asked for events."""
    return sum(int(count) for count in re.findall(r'^nmesh_asks_answered_total\{[^}]*op="events.read"[^}]*\} (\d+)$',
                                                  web.get("/metrics").raw.decode(), re.M))


def stalled(web):
    """How often the gateway was asked for events, if it is not any more. A scrape is good for a second."""
    asked = pieces(web)
    time.sleep(1.1)
    return streams(web, "nmesh_http_streams_behind") == 1 and pieces(web) == asked and asked


def test_a_slow_reader_of_a_stream_is_waited_for_and_misses_nothing(storied):
    before = pieces(storied)
    with narrow_stream(storied) as connection:
        asked = until(lambda: stalled(storied), "no more is asked for than the client reads")
        assert asked - before < EVENTS / 50 / 4
        got = b""
        for _ in range(40):
            got += connection.recv(2048)
            time.sleep(0.05)
        while got.count(b"\nevent: ") < EVENTS:
            part = connection.recv(65536)
            assert part, "it was cut off"
            got += part
    cursors = re.findall(rb"^id: (\S+)$", got, re.M)
    assert len(set(cursors)) == len(cursors) == EVENTS
    ids = re.findall(rb'^data: \{"id":"([^"]+)"', got, re.M)
    assert len(ids) == EVENTS and all(ids.count(one) == 2 for one in set(ids[::100]))
    storied.send(valid())
    until(lambda: streams(storied) == 0, "it has gone")


def test_a_stream_that_nobody_reads_is_cut_off(storied):
    """What was sent of it lies in the kernel, which would wait a quarter of an hour for its reader."""
    with narrow_stream(storied) as connection:
        until(lambda: streams(storied) == 1, "the stream flows")
        until(lambda: streams(storied) == 0, "it is cut off", 40)
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass   # It ends
    storied.send(valid())


@pytest.fixture(scope="module")
def narrow(make_module_mesh):
    return make_module_mesh({"gateway": 1, "user": 1, "bridge": 1}, settings={"http": {"connections": 20, "bodies": "1M"}})


def test_bodies_that_are_too_much_together_are_503(narrow):
    web = narrow.web()
    half, rest = b"{" + b" " * 700 * KIB, b" " * (299 * KIB) + b"}"
    senders = [web.open() for _ in range(2)]
    for connection in senders:
        connection.sendall(head(f"Content-Length: {len(half) + len(rest)}", key=web.key, path="/v1/services") + half)
        time.sleep(0.3)
    for connection in reversed(senders):
        connection.sendall(rest)
    codes = [statuses(connection.recv(4096))[0] for connection in senders]
    assert codes == [422, 503], codes
    assert web.post("/v1/services", raw=half + rest, headers={"Content-Type": "application/json"}).status == 422
    for connection in [web, *senders]:
        connection.close()


def test_connections_beyond_the_limit_wait_and_are_served_when_there_is_room(narrow):
    web = narrow.web()
    until(lambda: narrow["bridge-1"].status()["connections"] == 0, "all have gone")
    kept = [web.open() for _ in range(25)]
    for connection in kept:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
    for connection in kept[:20]:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    kept[24].settimeout(0.5)
    with pytest.raises(TimeoutError):
        kept[24].recv(4096)
    for connection in kept[:20]:
        connection.close()
    kept[24].settimeout(5)
    assert kept[24].recv(4096).startswith(b"HTTP/1.1 200")


# -- TLS

class Guard:
    """A folder with a certificate and its key, which are replaced one after the other."""

    def __init__(self, folder):
        self.folder = folder
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)   # Trusts all that were made here
        self.issue(2)

    def issue(self, days):
        """Returns the new certificate, DER."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                   "new.key", "-out", "new.cert", "-days", str(days), "-subj", "/CN=127.0.0.1", "-addext",
                   "subjectAltName=IP:127.0.0.1"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        os.chmod(self.folder / "new.key", 0o600)
        self.context.load_verify_locations(self.folder / "new.cert")
        made = ssl.PEM_cert_to_DER_cert((self.folder / "new.cert").read_text(encoding="ascii"))
        os.replace(self.folder / "new.key", self.folder / "key.pem")
        os.replace(self.folder / "new.cert", self.folder / "cert.pem")
        return made


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return Guard(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def guarded(make_module_mesh, guard):
    """A mesh whose bridge speaks TLS."""
    files = {"cert": str(guard.folder / "cert.pem"), "key": str(guard.folder / "key.pem")}
    return make_module_mesh({"gateway": 1, "router": 1, "email": 1, "deadletter": 1, "bridge": 1},
                            settings={"http": {"tls": files}})


def test_tls_serves_and_plain_text_at_it_is_refused(guarded, guard):
    assert guarded["bridge-1"].status()["http"].startswith("https://")
    web = guarded.web(context=guard.context)
    assert web.wait_for(web.send(valid()), "sent")["status"] == "sent"
    assert web.post("/v1/notifications", raw=b"{" + b" " * 2 * MIB + b"}",
                    headers={"Content-Type": "application/json"}).status in (202, 422)
    with socket.create_connection((web.host, web.port), 3) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200" not in read_all(plain)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        with socket.create_connection((web.host, web.port), 3) as connection:
            old.wrap_socket(connection)


class Callers(threading.Thread):
    """Asks again and again over new connections, until it is stopped; failures: what went wrong."""

    def __init__(self, web):
        super().__init__()
        self.web, self.stopped, self.count, self.failures = web, threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.stopped.is_set():
            one = self.web.as_key(None)
            try:
                assert one.get("/health").status == 200
            except (OSError, AssertionError) as failure:
                self.failures.append(failure)
            one.close()
            self.count += 1


def shown(web):
    """The certificate that a new connection is shown, DER, and when it ends."""
    with web.open() as connection:
        return connection.getpeercert(binary_form=True), ssl.cert_time_to_seconds(connection.getpeercert()["notAfter"])


def ends(web):
    text = web.get("/metrics").raw.decode()
    return float(re.search(r"^nmesh_http_certificate_expiry_timestamp_seconds\{[^}]*\} (\S+)$", text, re.M).group(1))


def test_a_new_certificate_is_shown_without_a_restart_and_nobody_notices(guarded, guard):
    bridge, web = guarded["bridge-1"], guarded.web(context=guard.context)
    kept = web.as_key(web.key)
    assert kept.get("/health").status == 200
    before, until_before = shown(web)
    sock = kept.connection.sock
    callers = [Callers(web) for _ in range(3)]
    try:
        good = (guard.folder / "cert.pem").read_bytes()
        (guard.folder / "cert.pem").write_bytes(b"half a cert")
        until(lambda: bridge.events("tls_kept"), "the log names the bad file")
        assert "cert.pem" in bridge.events("tls_kept")[-1]["message"]
        assert shown(web) == (before, until_before)
        (guard.folder / "cert.pem").write_bytes(good)
        made = guard.issue(20)
        until(lambda: shown(web)[0] == made, "the new one is shown")
    finally:
        for caller in callers:
            caller.stopped.set()
            caller.join()
    assert not any(caller.failures for caller in callers) and all(caller.count > 3 for caller in callers)
    assert kept.get("/health").status == 200 and kept.connection.sock is sock, "who was there goes on"
    until(lambda: ends(web) == shown(web)[1] > until_before, "the figure tells when the new one ends")
