"""Faults of the provider: what it says, when, and whether it says what it did."""

from chaos.nemesis import Nemesis


class Provider(Nemesis):
    """For everybody at once, as the sink's script of that name has it: before and after it took the message."""

    row, name, group = 35, "provider", "network"
    MODES = ("hidden", "broken", "garbage", "mute", "slow1", "slow7", "drip0.05", "drip1", "451", "452", "550")

    @classmethod
    def plan(cls, dice, field):
        return {"mode": dice.choice(cls.MODES)}

    def disturbs(self):
        return True

    def start(self):
        self.field.sink.mode(self.chosen["mode"])

    def heal(self):
        self.field.sink.mode("ok")


class Storm(Provider):
    """Down for everybody, up for a moment, down again: breakers open and close."""

    row, name = 37, "storm"

    @classmethod
    def plan(cls, dice, field):
        return {"mode": "421", "times": dice.randrange(2, 5)}

    def start(self):
        for _ in range(self.chosen["times"]):
            self.field.sink.mode("421")
            self.field.sleep(0.8)
            self.field.sink.mode("ok")
            self.field.sleep(0.3)
        self.field.sink.mode("421")
