"""The mesh's authority and certificates, made without the code under test (broker/cert.h tells the format)."""

import ctypes
import ctypes.util
import datetime
import hashlib
import os
import secrets

import zmq
from zmq.utils import z85

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert _sodium.sodium_init() >= 0


def time_text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Authority:
    """Holds the Ed25519 pair that signs certificates."""

    def __init__(self, seed=None):
        self.seed = seed or secrets.token_bytes(32)
        public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        _sodium.crypto_sign_seed_keypair(public, secret, self.seed)
        self.public, self.secret = public.raw, secret.raw
        self.founded = now() - datetime.timedelta(days=1)   # Who begins in one moment was founded together

    def sign(self, text):
        signature = ctypes.create_string_buffer(64)
        _sodium.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), self.secret)
        return signature.raw

    def certify(self, name, role, *, pair=None, not_before=None, not_after=None, form=2):
        day = datetime.timedelta(days=1)
        certificate = Certificate(name, role, pair or zmq.curve_keypair(), not_before or self.founded,
                                  not_after or now() + 30 * day, form)
        certificate.signature = self.sign(certificate.signed_text())
        return certificate


def record_pair(curve_secret):
    """The Ed25519 pair under which an actor signs its record: it follows from its CURVE secret (Z85)."""
    seed = hashlib.blake2b(b"", digest_size=32, key=z85.decode(curve_secret), person=b"nmesh-record-1").digest()
    return Authority(seed)


class Certificate:
    """form 1 is what certificates were before actors signed records: without a sign key."""

    def __init__(self, name, role, pair, not_before, not_after, form=2):
        self.name, self.role = name, role
        self.public, self.secret = pair
        self.not_before, self.not_after = time_text(not_before), time_text(not_after)
        self.serial = secrets.token_hex(16)
        self.form = form
        self.signs = record_pair(self.secret)
        self.signature = b""

    def signed_text(self):
        text = (f"nmesh-certificate-{self.form}\n{self.name}\n{self.role}\n{self.serial}\n{self.not_before}\n"
                f"{self.not_after}\n{self.public.decode()}\n")
        return (text + (f"{self.signs.public.hex()}\n" if self.form == 2 else "")).encode()

    def text(self, with_secret):
        lines = ["metadata", f'    name = "{self.name}"', f'    role = "{self.role}"', f'    serial = "{self.serial}"',
                 f'    not-before = "{self.not_before}"', f'    not-after = "{self.not_after}"',
                 *([f'    sign-key = "{self.signs.public.hex()}"'] if self.form == 2 else []),
                 f'    signature = "{self.signature.hex()}"', "curve", f'    public-key = "{self.public.decode()}"']
        if with_secret:
            lines.append(f'    secret-key = "{self.secret.decode()}"')
        return "\n".join(lines) + "\n"

    def save(self, folder, with_key=True):
        """certs/NAME.cert for everybody, keys/NAME.key for its owner."""
        self.save_as(folder, self.name, with_key)

    def save_as(self, folder, name, with_key=True):
        certs, keys = folder / "certs", folder / "keys"
        certs.mkdir(exist_ok=True)
        keys.mkdir(mode=0o700, exist_ok=True)
        (certs / f"{name}.cert").write_text(self.text(False), encoding="ascii")
        if with_key:
            path = keys / f"{name}.key"
            path.write_text(self.text(True), encoding="ascii")
            os.chmod(path, 0o600)

    def fingerprint(self):
        return fingerprint(self.public)


def blake2b(data):
    """BLAKE2b of 32 bytes, as libsodium makes it."""
    return hashlib.blake2b(data, digest_size=32).digest()


def fingerprint(public_text):
    """How logs name a CURVE key: the first bytes of its hash, in hex."""
    return blake2b(z85.decode(public_text))[:8].hex()
