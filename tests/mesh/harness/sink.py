"""Starts the SMTP sinks: our own (smtp_sink.py), and smtp-sink of Debian's postfix."""

import base64
import email
import email.policy
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from harness.history import read
from harness.ports import free_ports
from harness.waiting import until

HERE = pathlib.Path(__file__).resolve().parent


def make_certificate(folder, name, host="127.0.0.1"):
    """A self-signed certificate for host: (certificate, key)."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = "IP" if host[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class SmtpSink:
    def __init__(self, folder, name="sink", *, tls=None, user=None, password=None, keep=True, port=None,
                 host=None):
        """host: the Host (hosts.py) on which it listens, instead of loopback."""
        self.record = folder / f"{name}.jsonl"
        self.address = host.address if host else "127.0.0.1"
        self.port = port or (host.free_ports(1) if host else free_ports(1))[0]
        self.arguments = [*(host.enter() if host else []), sys.executable, "-m", "harness.smtp_sink", "--host",
                          self.address, "--port", str(self.port), "--record", str(self.record)]
        if keep:
            self.arguments.append("--keep")
        if tls:
            self.arguments += ["--certificate", str(tls[0]), "--key", str(tls[1])]
        if user:
            self.arguments += ["--user", user, "--password", password]
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        cwd=HERE.parent, env={**os.environ, "LD_PRELOAD": ""})
        assert self.process.stdout.readline() == b"ready\n", "the SMTP sink did not start"

    def stop(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def mode(self, mode):
        path = pathlib.Path(str(self.record) + ".mode")
        path.with_suffix(".new").write_text(mode, encoding="ascii")
        path.with_suffix(".new").rename(path)

    def lines(self, what=None, recipient=None):
        return [line for line in read(self.record) if (what is None or line["what"] == what)
                and (recipient is None or line.get("recipient") == recipient)]

    def got(self, recipient=None):
        return self.lines("got", recipient)

    def wait_for(self, recipient, count=1, seconds=30):
        return until(lambda: len(found := self.got(recipient)) >= count and found,
                     f"{count} messages for {recipient} at the sink", seconds)

    @staticmethod
    def message(line):
        return email.message_from_bytes(base64.b64decode(line["raw"]), policy=email.policy.default)


class BulkSink:
    """smtp-sink of postfix: takes everything, and keeps each message as a file."""

    PATH = next((path for path in (shutil.which("smtp-sink"), "/usr/sbin/smtp-sink") if path and os.path.exists(path)),
                None)

    def __init__(self, *options):
        self.port = free_ports(1)[0]
        # It gives up root, so the folder must be open to others, and so must those above it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nmesh-bulk-"))
        self.folder.chmod(0o777)
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([self.PATH, *user, "-d", f"{self.folder}/m%M.", *options,
                                         f"127.0.0.1:{self.port}", "256"], stderr=subprocess.DEVNULL)
        until(self.listens, "smtp-sink listens", 10)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def messages(self):
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
