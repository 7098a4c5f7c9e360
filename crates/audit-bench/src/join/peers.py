"""One run of a peer: python peers.py ENGINE FOLDER. Prints seconds, pairs, checksum and memory above the input as JSON."""

import json
import os
import sys
import time

import numpy as np

THREADS = 2


def status(line):
    """A line of our own status, MiB."""
    with open("/proc/self/status") as text:
        return next(int(row.split()[1]) / 1024 for row in text if row.startswith(line))


def columns(folder):
    def read(name, kind):
        return np.fromfile(os.path.join(folder, name), dtype=kind)

    sessions = {"key": read("session_key", "<u8"), "begin": read("session_start", "<i8"), "finish": read("session_end", "<i8")}
    events = {"key": read("event_key", "<u8"), "time": read("event_time", "<i8")}
    for table in (sessions, events):
        table["id"] = np.arange(len(table["key"]), dtype=np.int64)
    return sessions, events


DUCKDB_SUMS = "select count(*), sum((e.id & 65535) * (s.id & 65535)) from "
DUCKDB = {
    "duckdb-hash": "e join s on e.key = s.key and e.time between s.begin and s.finish",
    "duckdb-range": "e join s on e.key = s.key and e.time >= s.begin and e.time <= s.finish",
    "duckdb-asof": "e asof join s on e.key = s.key and e.time >= s.begin where e.time <= s.finish",
}


def duckdb_run(engine, folder):
    import duckdb
    import pyarrow

    connection = duckdb.connect(config={"threads": THREADS})
    for name, table in zip("se", columns(folder)):
        connection.register("input", pyarrow.table(table))
        connection.execute(f"create table {name} as select * from input")
        connection.unregister("input")
    if engine == "duckdb-range":
        connection.execute("set prefer_range_joins = true")
    return lambda: connection.execute(DUCKDB_SUMS + DUCKDB[engine]).fetchone()


def polars_run(folder):
    import polars

    sessions, events = (polars.DataFrame(table) for table in columns(folder))

    def run():
        later = events.lazy().sort("time")
        earlier = sessions.lazy().sort("begin").rename({"id": "session"})
        joined = later.join_asof(earlier, left_on="time", right_on="begin", by="key", check_sortedness=False)
        inside = joined.filter(polars.col("time") <= polars.col("finish"))
        product = (polars.col("id") & 65535) * (polars.col("session") & 65535)
        return inside.select(polars.len(), product.sum()).collect().row(0)

    return run


def main(engine, folder):
    run = polars_run(folder) if engine == "polars-asof" else duckdb_run(engine, folder)
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = status("VmRSS")
    began = time.perf_counter()
    pairs, checksum = run()
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "pairs": int(pairs), "checksum": int(checksum), "above_input": status("VmHWM") - before}))


main(*sys.argv[1:])
