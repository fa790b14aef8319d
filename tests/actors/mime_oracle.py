#!/usr/bin/python3
"""Compares the messages that actors/providers/mime.c builds with what Python's e-mail
package reads back from them. Usage: mime_oracle.py PROGRAM [COUNT]; the seed is fixed."""

import base64
import email
import email.header
import email.policy
import email.utils
import random
import re
import struct
import subprocess
import sys
import uuid

import msgpack

RANDOM = random.Random(20261121)
PIECES = ["a", "Z", "0", " ", "  ", "word", "ü", "日本語", "😀", "é" * 40, "=?UTF-8?B?eA==?=", "=?", "\"", "\\", "'",
          ".", "..", "=", "_", "%", "x" * 75, "x" * 130, ";", ":", "<", ">", ",", "--", "=_nm_", "From ", "ß", "\u202a"]
BREAKS = ["\n", "\r\n", "\r", "\n.\n", "\r\n.\r\n", "\n\n", "\t", " \n", "\nFrom ", "\n--=_nm_", "\x01", "\x7f"]


def text(pieces, least, most):
    return "".join(RANDOM.choice(pieces) for _ in range(RANDOM.randint(least, most)))


def line(limit, least=1, most=12):
    value = text([p for p in PIECES if p != "\u202a"], least, most)
    while len(value.encode()) > limit:
        value = value[:-1]
    return value


def delivery():
    it = {
        "notification": str(uuid.UUID(int=RANDOM.getrandbits(128))),
        "service": str(uuid.UUID(int=RANDOM.getrandbits(128))),
        "number": RANDOM.randint(0, 9), "generation": RANDOM.randint(0, 3),
        "channel": "email", "recipient": f"u{RANDOM.randint(1, 999)}@example.com",
        "priority": "normal", "created_at": "2026-11-21T03:59:51.123Z", "correlation_id": "c-1",
    }
    if RANDOM.random() < 0.9:
        it["subject"] = line(998, 1, 30)
    if RANDOM.random() < 0.8:
        it["content"] = text(PIECES + BREAKS, 0, 80)
    if RANDOM.random() < 0.6:
        it["html"] = text(PIECES + BREAKS + ["<p>", "</p>"], 1, 80)
    if RANDOM.random() < 0.3:
        it["to"] = "original@example.org"
    parts = {}
    if RANDOM.random() < 0.6:
        parts["from_name"] = line(200)
    if RANDOM.random() < 0.4:
        parts["cc"] = [f"copy{n}.z{'y' * RANDOM.randint(0, 40)}@example.net" for n in range(RANDOM.randint(0, 12))]
    if RANDOM.random() < 0.3:
        parts["bcc"] = ["hidden@example.net"]
    if RANDOM.random() < 0.4:
        parts["reply_to"] = "answers@example.com"
    if RANDOM.random() < 0.5:
        parts["headers"] = {"X-Thing": line(900), "List-Unsubscribe": "<https://example.com/" + "u" * RANDOM.randint(0, 200) + ">"}
    if RANDOM.random() < 0.5:
        parts["attachments"] = [{
            "filename": line(255), "content_type": RANDOM.choice(["application/pdf", "text/plain; charset=utf-8", "nonsense",
                                                                   "multipart/mixed", "image/png; a=\"b"]),
            "content_base64": base64.b64encode(RANDOM.randbytes(RANDOM.randint(0, 400))).decode(),
        } for _ in range(RANDOM.randint(0, 3))]
    if parts:
        it["email"] = parts
    return it


def lines_of(value):
    return re.sub(r"\r\n|\r|\n", "\n", value)


def check_bytes(raw):
    assert raw.endswith(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b""), "bare CR or LF"
    for row in raw.split(b"\r\n"):
        assert not row.startswith(b"."), "a line starts with a dot"
        assert all(byte == 9 or 32 <= byte < 127 for byte in row), "not 7 bit"
        assert len(row) <= 76 or row.strip().startswith((b"<https://", b"List-Unsubscribe:")), f"{len(row)}: {row!r}"


def body_of(part):
    return lines_of(part.get_payload(decode=True).decode("utf-8"))


def name_of(sender, raw):
    """policy.default leaves a space between two encoded words of a phrase, against RFC 2047
    section 6.2; the older decoder does not."""
    phrase = email.message_from_bytes(raw)["From"].rsplit(" <", 1)[0]
    if not phrase.startswith("=?"):
        return sender.display_name
    return str(email.header.make_header(email.header.decode_header(phrase)))


def check(it, raw):
    check_bytes(raw)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    parts = it.get("email", {})
    for part in message.walk():
        assert not part.defects, part.defects
    assert (message["Subject"] or "") == it.get("subject", ""), (message["Subject"], it.get("subject"))
    sender = message["From"].addresses[0]
    assert sender.addr_spec == "noreply@nmesh.test"
    assert name_of(sender, raw) == parts.get("from_name", ""), (sender.display_name, parts.get("from_name"))
    assert [a.addr_spec for a in message["To"].addresses] == [it.get("to", it["recipient"])]
    assert [a.addr_spec for a in (message["Cc"].addresses if message["Cc"] else [])] == parts.get("cc", [])
    assert message["Bcc"] is None and b"hidden@" not in raw
    assert (message["Reply-To"] or "") == parts.get("reply_to", "")
    assert message["Message-ID"] == f"<{it['notification']}.{it['generation']}@mail.nmesh.test>"
    assert message["X-Nmesh-Id"] == it["notification"]
    assert message["Date"].datetime.timestamp() == 1795000000
    if "headers" in parts:
        assert message["X-Thing"] == parts["headers"]["X-Thing"], (message["X-Thing"], parts["headers"]["X-Thing"])
        got, given = message["List-Unsubscribe"], parts["headers"]["List-Unsubscribe"]
        assert got.strip() == given, (got, given)

    files = [part for part in message.walk() if part.get_content_disposition() == "attachment"]
    texts = [part for part in message.walk() if not part.is_multipart() and part not in files]
    want = []
    if it.get("content") or not it.get("html"):
        want.append(("text/plain", it.get("content", "")))
    if it.get("html"):
        want.append(("text/html", it["html"]))
    assert [part.get_content_type() for part in texts] == [kind for kind, _ in want]
    for part, (_, content) in zip(texts, want):
        got, given = body_of(part), lines_of(content)
        assert got == given or (not message.is_multipart() and got == given + "\n"), (got, given)
    given_files = parts.get("attachments", [])
    assert len(files) == len(given_files)
    for part, given in zip(files, given_files):
        assert part.get_payload(decode=True) == base64.b64decode(given["content_base64"])
        name = given["filename"].replace("/", "_").replace("\\", "_")
        name = email.utils.unquote(name).strip()  # It takes quotes and spaces off by itself
        assert part.get_filename() == name, (part.get_filename(), name)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    items = [delivery() for _ in range(count)]
    packed = [msgpack.packb(it) for it in items]
    fed = b"".join(struct.pack(">I", len(raw)) + raw for raw in packed)
    out = subprocess.run([sys.argv[1]], input=fed, stdout=subprocess.PIPE, check=True).stdout
    built = 0
    for it in items:
        (size,) = struct.unpack(">I", out[:4])
        sign, raw, out = out[4:5], out[5:4 + size], out[4 + size:]
        if sign == b"+":
            built += 1
            try:
                check(it, raw)
            except AssertionError:
                print(it, raw.decode("utf-8", "replace"), sep="\n", file=sys.stderr)
                raise
        else:
            print(raw.decode(), it["notification"], file=sys.stderr)
    print(f"{built} of {count} deliveries came back as they went")
    return 0 if built == count else 1


if __name__ == "__main__":
    sys.exit(main())
