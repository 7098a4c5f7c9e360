"""One run of DuckDB from the raw files to the counts: python peer.py FOLDER. Prints them as one JSON line."""

import json
import sys
import time

THREADS = 2

CLOUDTRAIL = """
create temp table exec as
select distinct on (id) id, task, ssm_session, planted from (
  select r['eventID'] as id, string_split(r['responseElements']['taskArn'], '/')[-1] as task,
    r['responseElements']['session']['sessionId'] as ssm_session,
    regexp_extract(r['requestParameters']['command'], 'BOUNDARY_SESSION_ID=(s_[0-9A-Za-z]{10})', 1) as planted
  from (
    select unnest(Records) as r from read_json('%s/cloudtrail/*.json.gz', columns = {Records: 'STRUCT(
      eventID VARCHAR, eventName VARCHAR, errorCode VARCHAR, requestParameters STRUCT(command VARCHAR),
      responseElements STRUCT(taskArn VARCHAR, "session" STRUCT(sessionId VARCHAR)))[]'})
  ) where r['eventName'] = 'ExecuteCommand' and r['errorCode'] is null
)
"""
BOUNDARY = """
create temp table boundary_session as
select i['id'] as id, i['target_id'] as target from (
  select unnest(items) as i from read_json('%s/boundary/*.json',
    columns = {items: 'STRUCT(id VARCHAR, target_id VARCHAR)[]'}))
"""
TARGETS = """
create temp table target as
select * from read_json('%s/targets.json', format = 'array',
  columns = {target_id: 'VARCHAR', task_id: 'VARCHAR'})
"""
TRANSCRIPTS = """
create temp table log as
select distinct log_stream as id from read_json('%s/transcripts.jsonl', format = 'newline_delimited', columns = {log_stream: 'VARCHAR'})
"""
COUNTS = {
    "boundary_sessions": "select count(*) from boundary_session",
    "execs": "select count(*) from exec",
    "logs": "select count(*) from log",
    "exec_to_log": "select count(*) from exec join log on log.id = ssm_session",
    "exec_to_boundary_session": "select count(*) from exec join boundary_session b on b.id = planted",
    "session_to_task": "select count(*) from exec join boundary_session b on b.id = planted join target on target_id = b.target and task_id = task",
    "exec_without_boundary_session": "select count(*) from exec anti join boundary_session b on b.id = planted",
    "exec_without_log": "select count(*) from exec anti join log on log.id = ssm_session",
    "log_without_exec": "select count(*) from log anti join exec on log.id = ssm_session",
}


def memory(line_name):
    with open("/proc/self/status") as text:
        return next(int(line.split()[1]) / 1024 for line in text if line.startswith(line_name))


def main(folder):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    before = memory("VmRSS")
    began = time.perf_counter()
    for statement in (CLOUDTRAIL, BOUNDARY, TARGETS, TRANSCRIPTS):
        connection.execute(statement % folder)
    counts = {name: connection.execute(query).fetchone()[0] for name, query in COUNTS.items()}
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "counts": counts, "peak": memory("VmHWM") - before}))


main(*sys.argv[1:])
