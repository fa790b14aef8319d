"""Faults of the network between hosts."""

import os
import shutil
import subprocess

from harness.hosts import run

from chaos.nemesis import Host


class Cut(Host):
    """Silent, both ways: packets vanish."""

    row, name = 27, "cut"

    @classmethod
    def plan(cls, dice, field):
        return {"host": dice.choice(field.host_names + ["sink"])}

    def start(self):
        self.host.cut()


class OneWay(Host):
    """What it says is heard and it hears nothing, or the other way round."""

    row, name = 28, "one-way"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "hook": dice.choice(["input", "output"])}

    def start(self):
        self.host.cut((self.chosen["hook"],))


class Pair(Host):
    """Two hosts do not reach each other, and everybody else reaches both."""

    row, name = 27, "cut-pair"

    @classmethod
    def plan(cls, dice, field):
        host, peer = dice.sample(field.host_names + ["sink"], 2)
        return {"host": host, "peer": peer}

    def disturbs(self):
        return True

    def start(self):
        self.host.cut(peers=[self.field.hosts[self.chosen["peer"]]])


class Swizzle(Host):
    """All hosts are cut off one after the other and healed in another order."""

    row, name = 29, "swizzle"

    @classmethod
    def plan(cls, dice, field):
        names = list(field.host_names)
        return {"host": names[0], "cuts": dice.sample(names, len(names)), "heals": dice.sample(names, len(names))}

    def disturbs(self):
        return True

    def start(self):
        for name in self.chosen["cuts"]:
            self.field.hosts[name].cut()
            self.field.sleep(0.5)

    def heal(self):
        for name in self.chosen["heals"]:
            self.field.hosts[name].heal()
            self.field.sleep(0.3)


class Loss(Host):
    row, name = 25, "loss"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "percent": dice.choice([1, 5, 20])}

    def start(self):
        self.host.lose(self.chosen["percent"])


class Reset(Host):
    """Connections are ended by a reset, now and then."""

    row, name = 30, "reset"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "per_mille": dice.choice([2, 20, 200])}

    def start(self):
        self.host.reset(self.chosen["per_mille"])


class Flap(Host):
    """The cable is pulled and put back, again and again."""

    row, name = 30, "flap"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "count": dice.randrange(2, 8)}

    def start(self):
        for _ in range(self.chosen["count"]):
            self.host.flap()
            self.field.sleep(0.25)


class Delay(Host):
    """Every packet is late, by an uneven time if there is jitter: then they overtake each other as well."""

    row, name = 26, "delay"

    @classmethod
    def missing(cls, field):
        if not (field.build / "tests/ledger/nm_delay").exists():
            return "nm_delay was not built: libnetfilter-queue-dev is not installed"
        if not shutil.which("iptables"):
            return "iptables is not installed"
        return super().missing(field)

    @classmethod
    def plan(cls, dice, field):
        delay, jitter = dice.choice([(50, 0), (50, 20), (200, 100), (10, 400)])
        return {**super().plan(dice, field), "delay_ms": delay, "jitter_ms": jitter, "seed": dice.randrange(1 << 31)}

    def rule(self, verb, check=True):
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            run(*self.host.enter(), "iptables", verb, chain, "!", side, "lo", "-j", "NFQUEUE", "--queue-num", 1,
                "--queue-bypass", check=check)

    def start(self):
        self.process = subprocess.Popen(
            [*self.host.enter(), str(self.field.build / "tests/ledger/nm_delay"), "1", str(self.chosen["delay_ms"]),
             str(self.chosen["jitter_ms"]), str(self.chosen["seed"])], stdout=subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": ""})
        assert self.process.stdout.readline() == b"ready\n", "nm_delay did not start"
        self.rule("-A")

    def heal(self):
        self.rule("-D", check=False)
        self.process.terminate()
        self.process.wait()
