"""ledger-load: a process of its own that sends until it is told to finish. It is never hurt, and writes down what it
asked before it asks it, and what it was told before it acts upon it.

    python3 -m chaos.load FOLDER

reads on its standard input `finish`, or its end. Says `ready`, and at the end one line of JSON.
"""

import json
import sys

from harness.history import History
from harness.load import Load

from chaos.plan import Run


def main():
    run = Run(sys.argv[1]).read()
    load = Load.over(run.doors, run.tenants, run.payloads, per_second=run.plan["per_second"], recipient=run.recipient,
                     limit=run.plan["limit"], history=History(run.load), roam=run.plan["roam"], patience=3.0)
    print("ready", flush=True)
    load.start()
    for line in sys.stdin:
        if line == "finish\n":
            break
    try:
        load.finish(run.plan["patience"])
    except Exception as error:
        load.failure = error
    said = {"asked": load.n - load.first, "accepted": len(load.ledger.accepted), "codes": load.codes,
            "failure": str(load.failure) if load.failure else None}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
