"""An SMTP server that answers by script and writes down what it took before it says so.

Runs as a process of its own, so that it sees the mesh from outside and is never killed with it. What it is to answer
stands in the recipient, behind a plus: u7+451x2@t.test gets 451 twice and then 250. The scripts:

    ok         250 (also without a plus)
    NNN        that code for ever, at the end of the data
    NNNxM      that code M times, then 250
    rcptNNN    that code to RCPT, for ever
    slowS      250 after S seconds
    hidden     takes it, and drops the connection instead of saying so; the next time 250
    broken     drops the connection before the data is complete; the next time 250
    garbage    answers what is not SMTP; the next time 250
    mute       takes nothing and says nothing for 30 seconds; the next time 250
    dripS      250, with a pause of S seconds after each of its characters

The file `mode` beside the record holds for everybody: "ok", a code with which each message is refused, or a script for
all who have none of their own (every time, not only the first).
Each line of the record is one JSON object, on disk before the answer goes out; `begun` is when the call began.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import re
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from harness.history import History
from harness.payload import body_hash


def script_of(recipient):
    found = re.match(r"[^@+]*\+([a-z0-9.]+)@", recipient)
    return found.group(1) if found else "ok"


class Sink:
    def __init__(self, options):
        self.options = options
        self.record = History(options.record)
        self.seen = {}
        self.connections = 0
        self.open = 0
        self.most_open = 0

    def mode(self):
        try:
            with open(self.options.record + ".mode", encoding="ascii") as file:
                return file.read().strip() or "ok"
        except FileNotFoundError:
            return "ok"

    def count(self, recipient):
        self.seen[recipient] = self.seen.get(recipient, 0) + 1
        return self.seen[recipient]

    async def handle_RCPT(self, server, session, envelope, address, options):
        script = script_of(address)
        if script.startswith("rcpt"):
            self.record.write(what="refused", recipient=address, answer=int(script[4:]))
            return f"{script[4:]} 5.1.1 not here, says the script"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        recipient = envelope.rcpt_tos[0]
        line = self.line(session, envelope, recipient)
        mode = self.mode()
        if mode.isdigit():
            self.record.write(what="refused", answer=int(mode), **line)
            return f"{mode} {mode[0]}.2.1 not now, says the mode"
        script, first = script_of(recipient), self.count(recipient) == 1
        if script == "ok" and mode != "ok":
            script, first = mode, True
        code = re.fullmatch(r"(\d{3})(?:x(\d+))?", script)
        if code and (code.group(2) is None or self.seen[recipient] <= int(code.group(2))):
            self.record.write(what="refused", answer=int(code.group(1)), **line)
            return f"{code.group(1)} {code.group(1)[0]}.2.1 no, says the script"
        if first and script in ("hidden", "garbage", "mute"):
            return await getattr(self, script)(server, line)
        if script.startswith("slow"):
            await asyncio.sleep(float(script[4:]))
        self.record.write(what="got", answer=250, **line)
        if script.startswith("drip"):
            for character in "250 2.0.0 Ok: ":
                server.transport.write(character.encode())
                await asyncio.sleep(float(script[4:]))
            return "taken"
        return "250 2.0.0 Ok: taken"

    async def hidden(self, server, line):
        self.record.write(what="got", answer="hidden", **line)
        server.transport.abort()
        return "250 never seen"

    async def garbage(self, server, line):
        self.record.write(what="refused", answer="garbage", **line)
        server.transport.write(b"\xff\xfe what is this?\r\n")
        server.transport.close()
        return "421 bye"

    async def mute(self, server, line):
        self.record.write(what="refused", answer="mute", **line)
        await asyncio.sleep(30)
        return "421 too late"

    def line(self, session, envelope, recipient):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain = message.get_body(("plain",))
        try:
            text = plain.get_content() if plain else ""
        except (LookupError, UnicodeError) as error:
            text = f"unreadable: {error}"
        line = {"recipient": recipient, "recipients": envelope.rcpt_tos, "sender": envelope.mail_from,
                "subject": str(message["subject"] or ""), "body_hash": body_hash(text),
                "message_id": str(message["message-id"] or ""), "peer": session.peer[1],
                "begun": getattr(envelope, "begun", None), "tls": bool(session.ssl), "user": session.auth_data.decode() if session.auth_data else None}
        if self.options.keep:
            line["raw"] = base64.b64encode(envelope.content).decode()
        return line


class Server(SMTP):
    async def smtp_DATA(self, arg):
        recipients = self.envelope.rcpt_tos
        handler = self.event_handler
        self.envelope.begun = time.time()
        if recipients and self.breaks(handler, recipients[0]):
            handler.record.write(what="refused", recipient=recipients[0], answer="broken")
            self.transport.abort()  # Before a 354: so nothing of it can have been taken
            return
        await super().smtp_DATA(arg)

    @staticmethod
    def breaks(handler, recipient):
        mode, script = handler.mode(), script_of(recipient)
        if script == "broken" and mode == "ok":
            return handler.count(recipient) == 1
        return script == "ok" and mode == "broken"

    def connection_made(self, transport):
        handler = self.event_handler
        if not getattr(self, "counted", False):
            self.counted = True
            handler.connections += 1
            handler.record.write(what="connection", number=handler.connections)
        super().connection_made(transport)


class Sinks(Controller):
    def __init__(self, handler, options, **kwargs):
        self.sink_options = options
        super().__init__(handler, **kwargs)

    def factory(self):
        options = self.sink_options
        more = {}
        if options.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate, options.key)
            more.update(tls_context=context, require_starttls=True)
        if options.user:
            def check(server, session, envelope, mechanism, data):
                good = isinstance(data, LoginPassword) and data.login.decode() == options.user \
                    and data.password.decode() == options.password
                return AuthResult(success=good, handled=good, auth_data=data.login if good else None)
            more.update(authenticator=check, auth_required=True, auth_require_tls=bool(options.certificate))
        return Server(self.handler, hostname="sink.test", ident="sink", enable_SMTPUTF8=True, **more)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--keep", action="store_true", help="writes the whole message into the record")
    options = parser.parse_args()
    controller = Sinks(Sink(options), options, hostname=options.host, port=options.port)
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()  # Until the test closes the pipe, or ends
    controller.stop()


if __name__ == "__main__":
    main()
