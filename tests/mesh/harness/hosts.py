"""Hosts that are network namespaces on one bridge: their links can be cut, made lossy, slow or one-way, and healed.

    with Hosts("a", "b") as hosts:
        subprocess.Popen([*hosts["a"].enter(), "program"])
        hosts["a"].cut()        # silent: packets vanish, nobody is told
        hosts["a"].heal()

The process that makes them has an address on the bridge and reaches every host. All names begin with nm, the pid and an
x, so that what a process left behind that was killed can be told, and goes when the next hosts are made. Traffic of a host
with itself is never touched.
"""

import atexit
import os
import random
import re
import shutil
import signal
import subprocess

TABLE = "nmesh"
HOOKS = ("input", "output")


def run(*command, text=None, check=True):
    done = subprocess.run([str(part) for part in command], input=text, text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr}{text or ''}"
    return done


class Host:
    def __init__(self, hosts, name, number):
        self.name, self.number = name, number
        self.space = f"{hosts.tag}-{name}"
        self.inner, self.outer = f"{hosts.tag}v{number}", f"{hosts.tag}w{number}"
        self.address = f"{hosts.network}.{number}"
        self.next_port = 12000

    def make(self, bridge):
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.outer, "type", "veth", "peer", "name", self.inner, "netns", self.space)
        run("ip", "link", "set", self.outer, "master", bridge, "up")
        run("ip", "-n", self.space, "addr", "add", f"{self.address}/24", "dev", self.inner)
        run("ip", "-n", self.space, "link", "set", self.inner, "up")
        run("ip", "-n", self.space, "link", "set", "lo", "up")

    def enter(self):
        """What stands before a command that runs on this host."""
        return ["ip", "netns", "exec", self.space]

    def free_ports(self, count):
        """Nobody else is here, so they only have to differ."""
        self.next_port += count
        return list(range(self.next_port - count, self.next_port))

    def pids(self):
        return [int(pid) for pid in run("ip", "netns", "pids", self.space, check=False).stdout.split()]

    def nft(self, rules):
        run(*self.enter(), "nft", "-f", "-", text=rules)

    def cut(self, hooks=HOOKS, peers=()):
        """Drops what comes in, what goes out, or both; all of it, or what concerns these hosts."""
        verdicts = {hook: self.about(hook, peers, "drop") for hook in hooks}
        self.filter(verdicts)

    def lose(self, percent):
        """Each packet, in and out, is dropped with this chance."""
        self.filter({hook: [f"numgen random mod 1000 < {int(percent * 10)} drop"] for hook in HOOKS})

    def reset(self, per_mille):
        """Each packet that comes in ends its connection with this chance, with a reset to its sender."""
        self.filter({"input": [f"meta l4proto tcp numgen random mod 1000 < {per_mille} reject with tcp reset"]})

    @staticmethod
    def about(hook, peers, verdict):
        if not peers:
            return [verdict]
        side = "saddr" if hook == "input" else "daddr"
        return [f"ip {side} {peer.address} {verdict}" for peer in peers]

    def filter(self, verdicts):
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; policy accept; "
            f"{'iif' if hook == 'input' else 'oif'} lo accept; {'; '.join(rules)}; }}\n"
            for hook, rules in verdicts.items())
        self.nft(f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chains}}}\n")

    def heal(self):
        self.nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n")

    def flap(self):
        """The cable is pulled and put back: this is noticed at once, unlike a cut."""
        run("ip", "link", "set", self.outer, "down")
        run("ip", "link", "set", self.outer, "up")

    def remove(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "del", self.space, check=False)


class Hosts:
    made = 0

    @staticmethod
    def missing():
        """Why hosts cannot be made here; None if they can."""
        if os.geteuid() != 0:
            return "network namespaces want root"
        for tool in ("ip", "nft"):
            if not shutil.which(tool):
                return f"{tool} is not installed"
        name = f"nm{os.getpid():x}xprobe"
        if run("ip", "netns", "add", name, check=False).returncode:
            return "network namespaces cannot be made here"
        done = run("ip", "netns", "exec", name, "nft", "-f", "-", check=False,
                   text="table inet t { chain c { type filter hook input priority 0; numgen random mod 10 < 1 drop\n}\n}\n")
        run("ip", "netns", "del", name)
        return None if done.returncode == 0 else f"nft does not work in a namespace: {done.stderr.strip()}"

    def __init__(self, *names):
        sweep()
        Hosts.made += 1
        self.tag = f"nm{os.getpid():x}x{Hosts.made}"
        self.bridge = f"{self.tag}b"
        self.network = free_network()
        self.hosts = {}
        atexit.register(self.close)
        try:
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "addr", "add", f"{self.network}.254/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
            for name in names:
                self.add(name)
        except BaseException:
            self.close()
            raise

    def add(self, name):
        host = Host(self, name, len(self.hosts) + 1)
        self.hosts[name] = host
        host.make(self.bridge)
        return host

    def __getitem__(self, name):
        return self.hosts[name]

    def __iter__(self):
        return iter(self.hosts.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        atexit.unregister(self.close)
        for host in self.hosts.values():
            host.remove()
        self.hosts = {}
        run("ip", "link", "del", self.bridge, check=False)


def free_network():
    taken = run("ip", "-4", "route").stdout
    while True:
        network = f"10.{random.randrange(64, 128)}.{random.randrange(256)}"
        if f"{network}." not in taken:
            return network


def sweep():
    """Removes what processes left behind that no longer run."""
    def left(names):
        for name in names:
            found = re.match(r"nm([0-9a-f]+)x", name)
            if found and not os.path.exists(f"/proc/{int(found.group(1), 16)}"):
                yield name
    for space in left(line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line):
        for pid in run("ip", "netns", "pids", space, check=False).stdout.split():
            run("kill", "-9", pid, check=False)
        run("ip", "netns", "del", space, check=False)
    links = re.findall(r"^\d+: (nm[0-9a-f]+x\w+)", run("ip", "-o", "link").stdout, re.M)
    for link in left(links):
        run("ip", "link", "del", link, check=False)
