"""What a nemesis is: one kind of fault, with its number in the matrix of faults, that can begin and be healed.

A class is asked first whether its tools are there (missing), then to choose whom it hurts and how (plan: from dice alone,
so that a seed says all), and, before the mesh starts, to lay out what it will need (prepare). What it does must
be undone by heal, whatever start did or could not do.
"""


class Nemesis:
    row, name = 0, ""
    group = "process"           # Faults of one group are not under way at once
    longest = 10.0              # Seconds from start to heal

    @classmethod
    def missing(cls, field):
        """Why it cannot work here; None if it can."""
        return None

    @classmethod
    def prepare(cls, field):
        """Before the mesh starts."""

    @classmethod
    def plan(cls, dice, field):
        """Whom and how: what goes to the constructor, and into the history."""
        return {"actor": dice.choice(sorted(field.names))}

    def __init__(self, field, **plan):
        self.field, self.chosen = field, plan
        self.victim = field.mesh[plan["actor"]] if "actor" in plan else None

    def disturbs(self):
        """Can a provider's answer get lost by it? The end of an e-mail actor counts by itself."""
        return False

    def start(self):
        raise NotImplementedError

    def heal(self):
        raise NotImplementedError

    def text(self):
        return f"{self.row} {self.name} " + " ".join(str(value) for value in self.chosen.values())


class Host(Nemesis):
    """A fault of the network of one host."""

    group = "network"

    @classmethod
    def missing(cls, field):
        return None if field.hosts else field.hosts_missing

    @classmethod
    def plan(cls, dice, field):
        return {"host": dice.choice(field.host_names)}

    def __init__(self, field, **plan):
        super().__init__(field, **plan)
        self.host = field.hosts[plan["host"]]

    def disturbs(self):
        return self.chosen["host"] == "sink" or any(actor.role == "email" and actor.host is self.host
                                                    for actor in self.field.mesh.actors.values())

    def heal(self):
        self.host.heal()
