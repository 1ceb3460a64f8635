"""The reference: workflows of eight steps that do nothing on DBOS Transact; says what they took as JSON.

Run by the Python of an environment that has DBOS and nothing that Paydesk needs.
"""

import argparse
import json
from importlib.metadata import version

from dbos import DBOS  # type: ignore[import-not-found]  # its environment is not this one

from benchmarks.load import Clients, numbers_for

STEPS = 8
WARM_UP_SECONDS = 1.0


@DBOS.step()  # type: ignore[untyped-decorator]
def increment(count: int) -> int:
    return count + 1


@DBOS.workflow()  # type: ignore[untyped-decorator]
def workflow() -> int:
    count = 0
    for _ in range(STEPS):
        count = increment(count)
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("database_url")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    # Neither its administration server nor its log: what is left is what carries workflows on.
    address = {"system_database_url": options.database_url}
    DBOS(config={"name": "benchmark", "run_admin_server": False, "log_level": "ERROR", **address})
    DBOS.launch()
    with Clients(options.threads) as clients:
        clients.drive(run_workflow, numbers_for(WARM_UP_SECONDS))
        load = clients.drive(run_workflow, numbers_for(options.seconds))
    DBOS.destroy()
    print(json.dumps({"rate": load.rate, "cpu_ms": load.cpu_seconds / load.done * 1000, "version": version("dbos")}))


def run_workflow(_number: int) -> None:
    assert workflow() == STEPS


if __name__ == "__main__":
    main()
