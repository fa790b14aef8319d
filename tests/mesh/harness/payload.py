"""Payloads that prove themselves: a line of the sink alone tells which request it came from and that it is whole.

The token of message n is BLAKE2b over (n, tenant, channel, recipient, key), keyed with the secret of the run, so nobody
but the run can have made it. Subject and body both carry it, and the rest of the body is made from it: a swapped
recipient, a torn body, two messages mixed into one or one sent in another tenant's name do not match.

The recipient names its tenant: u7@shop.test is of tenant shop, and the key of request 7 is key-7.
"""

import hashlib
import re
import secrets

SUBJECT = re.compile(r"n(\d+) ([a-z0-9-]+) ([0-9a-f]{32})")


class Payloads:
    def __init__(self, secret=None):
        self.secret = secret or secrets.token_bytes(32)

    def token(self, n, recipient):
        nonce = f"{n}|{tenant_of(recipient)}|email|{recipient}|{key_of(n)}"
        return hashlib.blake2b(nonce.encode(), key=self.secret, digest_size=16).hexdigest()

    def subject(self, n, recipient):
        return f"n{n} {tenant_of(recipient)} {self.token(n, recipient)}"

    def body(self, n, recipient):
        """Between 60 bytes and about 1.5 KB, different in length and content for each n."""
        token = self.token(n, recipient)
        lines = [f"begin {n} {token}"]
        for i in range(n % 24):
            lines.append(hashlib.blake2b(f"{token}{i}".encode(), digest_size=30).hexdigest())
        lines.append(f"end {n} {token}")
        return "\n".join(lines)

    def request(self, n, recipient, **more):
        return {"channel": "email", "recipient": recipient, "subject": self.subject(n, recipient),
                "content": self.body(n, recipient), **more}

    def read(self, line):
        """The n of a line that the sink wrote, and what is wrong with it (None if nothing)."""
        subject = line.get("subject") or ""
        found = SUBJECT.fullmatch(subject)
        if not found:
            return None, f"the subject {subject!r} is none of ours"
        n, recipient = int(found.group(1)), line["recipient"]
        if found.group(2) != tenant_of(recipient):
            return n, f"n{n} is of tenant {found.group(2)} and went to {recipient}"
        if subject != self.subject(n, recipient):
            return n, f"the subject does not belong to {recipient}"
        whole = self.body(n, recipient)
        if line["body_hash"] != body_hash(whole):
            return n, f"the body of {n} is not what was sent"
        return n, None


def tenant_of(recipient):
    return recipient.partition("@")[2].removesuffix(".test")


def key_of(n):
    """Under which request n is asked, and asked again."""
    return f"key-{n}"


def body_hash(text):
    """Of a text as both ends see it: line ends and white space at the end do not count."""
    text = text.replace("\r\n", "\n").rstrip()
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
