"""A notification that is accepted arrives, whole, and its record says how."""

import re

import pytest

from harness.mesh import maildir, one_of_each, smtp
from harness.sink import BulkSink, make_certificate
from harness.waiting import until


def seen_events(record):
    return [entry["event"] for entry in record["timeline"]]


def test_an_accepted_notification_is_sent_and_recorded(client, sink, payloads):
    recipient = "u1@t.test"
    answer = client.create(payloads.request(1, recipient, metadata={"order": 42}))
    assert answer.status == 202
    assert answer.body["status"] == "pending" and answer.body["channel"] == "email"
    record = client.wait_for(answer.body["id"], "sent")
    assert payloads.read(sink.wait_for(recipient)[0]) == (1, None)
    assert seen_events(record) == ["accepted", "queued", "sending", "sent"]
    assert [entry["at"] for entry in record["timeline"]] == sorted(entry["at"] for entry in record["timeline"])
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["provider"], attempt["outcome"], attempt["code"]) == (1, "sink", "sent", 250)
    assert record["created_at"] <= attempt["started_at"] <= attempt["ended_at"] <= record["updated_at"]
    assert record["metadata"] == {"order": 42} and record["recipient"] == recipient
    assert "content" not in record and "subject" not in record, "content is not given back"


def test_each_of_many_arrives_once(client, sink, payloads):
    recipients = {n: f"many{n}@t.test" for n in range(1000, 1200)}
    asks = client.submit([payloads.request(n, recipient) for n, recipient in recipients.items()])
    answers = client.collect(asks)
    assert [answers[ask].status for ask in asks] == [202] * 200
    for ask in asks:
        client.wait_for(answers[ask].body["id"], "sent", seconds=60)
    got = [payloads.read(line) for line in sink.got() if line["recipient"].startswith("many")]
    assert sorted(got) == [(n, None) for n in recipients]


def test_text_and_html_are_alternatives_in_any_utf8(client, sink):
    recipient = "fancy@t.test"
    subject = "Grüße aus Zürich — 你好 👩‍👩‍👧 " + "ü" * 60
    text = "Zeile eins\nß und 漢字\n.\n..\n. Punkt\n" + "lang " * 400
    html = "<p>" + "ж" * 2000 + "</p>\n.\n<b>&amp;</b>"
    one = client.send({"channel": "email", "recipient": recipient, "subject": subject, "content": text, "html": html,
                       "email": {"from_name": "Ünser Haus, \"GmbH\"", "reply_to": "answer@t.test",
                                 "headers": {"X-Own": "wert"}}})
    client.wait_for(one, "sent")
    line = sink.wait_for(recipient)[0]
    message = sink.message(line)
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert parts[0].get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert parts[1].get_content().replace("\r\n", "\n").rstrip("\n") == html.rstrip("\n")
    assert message["subject"] == subject
    assert message["from"].addresses[0].display_name == 'Ünser Haus, "GmbH"'
    assert message["from"].addresses[0].addr_spec == "mesh@sender.test"
    assert message["reply-to"] == "answer@t.test" and message["x-own"] == "wert" and message["to"] == recipient
    assert message["date"].datetime is not None
    assert re.fullmatch(rf"<{one}\.\d+@mesh\.test>", message["message-id"])
    raw = sink.message(line).as_bytes()
    assert max(len(row) for row in raw.split(b"\n")) <= 998


def test_copies_get_it_and_hidden_ones_are_not_named(client, sink):
    one = client.send({"channel": "email", "recipient": "main@t.test", "subject": "copies", "content": "text",
                       "email": {"cc": ["copy@t.test"], "bcc": ["hidden-copy@t.test"]}})
    client.wait_for(one, "sent")
    for recipient in ("main@t.test", "copy@t.test", "hidden-copy@t.test"):
        message = sink.message(sink.wait_for(recipient)[0])
        assert message["to"] == "main@t.test" and message["cc"] == "copy@t.test"
        assert "hidden-copy" not in str(message)


def test_an_attachment_arrives_byte_for_byte(client, sink):
    import base64
    content = bytes(range(256)) * 300
    one = client.send({"channel": "email", "recipient": "file@t.test", "subject": "file", "content": "see file",
                       "email": {"attachments": [{"filename": "bytes ä.bin", "content_type": "application/octet-stream",
                                                  "content_base64": base64.b64encode(content).decode()}]}})
    client.wait_for(one, "sent")
    (attachment,) = sink.message(sink.wait_for("file@t.test")[0]).iter_attachments()
    assert attachment.get_content() == content and attachment.get_filename() == "bytes ä.bin"


def test_starttls_and_auth(make_mesh, make_sink, tmp_path, payloads):
    certificate = make_certificate(tmp_path, "good")
    sink = make_sink("tls", tls=certificate, user="mesh", password="open sesame")
    password = tmp_path / "password"
    password.write_text("open sesame\n", encoding="ascii")
    password.chmod(0o600)
    mesh = make_mesh(providers={"tls": smtp(sink.port, tls="starttls", ca_file=certificate[0], user="mesh",
                                            password_file=password)})
    client = mesh.client()
    client.wait_for(client.send(payloads.request(1, "tls@t.test")), "sent")
    line = sink.wait_for("tls@t.test")[0]
    assert line["tls"] and line["user"] == "mesh" and payloads.read(line) == (1, None)


@pytest.mark.skipif(not BulkSink.PATH, reason="smtp-sink (Debian's postfix) is not installed")
def test_a_bulk_goes_to_smtp_sink(make_mesh, tmp_path):
    bulk = BulkSink()
    try:
        mesh = make_mesh(providers={"bulk": smtp(bulk.port, max_connections=8)})
        client = mesh.client()
        asks = client.submit([{"channel": "email", "recipient": f"b{n}@t.test", "subject": f"bulk {n}",
                               "content": f"number {n} of 500"} for n in range(500)])
        answers = client.collect(asks)
        for ask in asks:
            assert client.wait_for(answers[ask].body["id"], "sent", seconds=60)
        until(lambda: len(bulk.messages()) >= 500, "500 files of smtp-sink")
        found = sorted(int(re.search(rb"^Subject: bulk (\d+)\r?$", message, re.M).group(1))
                       for message in bulk.messages())
        assert found == list(range(500))
    finally:
        bulk.stop()


def test_maildir_gets_whole_files(make_mesh, payloads):
    mesh = make_mesh(providers={"maildir": maildir()})
    client = mesh.client()
    ids = [client.send(payloads.request(n, f"m{n}@t.test")) for n in range(10)]
    for one in ids:
        client.wait_for(one, "sent")
    files = [path for path in (mesh.folder / "maildir").rglob("new/*") if path.is_file()]
    assert len(files) == 10
    text = b"".join(path.read_bytes() for path in files)
    for n in range(10):
        assert payloads.token(n, f"m{n}@t.test").encode() in text
    assert not list((mesh.folder / "maildir").rglob("tmp/*")), "nothing is left half written"


def test_two_of_each_share_the_work(make_mesh, sink, payloads):
    mesh = make_mesh(one_of_each(router=2, email=2), providers={"sink": smtp(sink.port)})
    client = mesh.client()
    asks = client.submit([payloads.request(n, f"share{n}@t.test") for n in range(3000, 3300)])
    answers = client.collect(asks)
    for ask in asks:
        client.wait_for(answers[ask].body["id"], "sent", seconds=60)
    shared = [payloads.read(line) for line in sink.got() if line["recipient"].startswith("share")]
    assert sorted(shared) == [(n, None) for n in range(3000, 3300)]
