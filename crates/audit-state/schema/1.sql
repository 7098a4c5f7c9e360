-- Times are microseconds since 1970, UTC. JSON beside them holds the whole value.
CREATE TABLE cursors (
  source TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL,
  value TEXT NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (source, place, name)
) WITHOUT ROWID;

CREATE TABLE facts (
  id TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL, place TEXT NOT NULL, kind TEXT NOT NULL,
  at INTEGER, observed_at INTEGER NOT NULL, evidence TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX facts_by_kind ON facts (kind, at);

CREATE TABLE fact_keys (key TEXT NOT NULL, fact_id TEXT NOT NULL, PRIMARY KEY (key, fact_id)) WITHOUT ROWID;
CREATE INDEX fact_keys_by_fact ON fact_keys (fact_id, key);

-- `tells` is 1 when the fact tells who that is, 0 when it only mentions them: many mention one, few tell.
CREATE TABLE fact_mentions (
  key TEXT NOT NULL, tells INTEGER NOT NULL, fact_id TEXT NOT NULL, PRIMARY KEY (key, tells, fact_id)
) WITHOUT ROWID;
CREATE INDEX fact_mentions_by_fact ON fact_mentions (fact_id, key);

CREATE TABLE evidence (
  sha256 TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL, place TEXT NOT NULL,
  request TEXT NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
  commit_n INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE fact_evidence (fact_id TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (fact_id, sha256)) WITHOUT ROWID;
CREATE INDEX fact_evidence_by_sha ON fact_evidence (sha256);

CREATE TABLE coverage (
  source TEXT NOT NULL, place TEXT NOT NULL, scope TEXT NOT NULL,
  from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, grade TEXT NOT NULL, lack TEXT,
  PRIMARY KEY (source, place, scope, from_at)
) WITHOUT ROWID;

CREATE TABLE cases (
  id TEXT PRIMARY KEY NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  facts INTEGER NOT NULL, final INTEGER NOT NULL, due INTEGER
) WITHOUT ROWID;
CREATE INDEX cases_due ON cases (due) WHERE due IS NOT NULL;
CREATE INDEX cases_final ON cases (final, last_at);

CREATE TABLE dirty (key TEXT PRIMARY KEY NOT NULL, commit_n INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX dirty_by_commit ON dirty (commit_n, key);

CREATE TABLE accounts (
  id TEXT PRIMARY KEY NOT NULL, case_id TEXT NOT NULL,
  ssm_session_id TEXT, boundary_session_id TEXT, task_arn TEXT, task_id TEXT, cluster_id TEXT, investigation_id TEXT,
  container TEXT, method TEXT NOT NULL, assurance TEXT NOT NULL, grade TEXT, alternatives INTEGER NOT NULL,
  user_id TEXT, user_name TEXT, principal_arn TEXT, client_address TEXT, started INTEGER, ended INTEGER,
  exit_code INTEGER, ending TEXT, bytes_down INTEGER, transcript TEXT,
  agree INTEGER NOT NULL, applicable INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX accounts_by_case ON accounts (case_id);
CREATE INDEX accounts_by_start ON accounts (started);
CREATE INDEX accounts_by_investigation ON accounts (investigation_id, started);
CREATE INDEX accounts_by_task ON accounts (task_id);

-- A finding without a case is sealed: its facts are gone, and no judgement can resolve it.
CREATE TABLE findings (
  id TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL, severity_rank INTEGER NOT NULL,
  state TEXT NOT NULL, subject TEXT NOT NULL, case_id TEXT, at INTEGER,
  boundary_session_id TEXT, ssm_session_id TEXT, task_arn TEXT, user_id TEXT, principal_arn TEXT,
  assurance TEXT NOT NULL, first_seen INTEGER NOT NULL, last_changed INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX findings_by_case ON findings (case_id);
CREATE INDEX findings_by_state ON findings (state, severity_rank);

CREATE TABLE finding_history (
  n INTEGER PRIMARY KEY NOT NULL, finding_id TEXT NOT NULL, at INTEGER NOT NULL,
  from_state TEXT, to_state TEXT NOT NULL, why TEXT NOT NULL,
  prev_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE INDEX finding_history_by_finding ON finding_history (finding_id, n);
CREATE TRIGGER finding_history_no_update BEFORE UPDATE ON finding_history
BEGIN SELECT RAISE(ABORT, 'the history of findings is append-only'); END;
CREATE TRIGGER finding_history_no_delete BEFORE DELETE ON finding_history
BEGIN SELECT RAISE(ABORT, 'the history of findings is append-only'); END;

CREATE TABLE commits (
  n INTEGER PRIMARY KEY NOT NULL, at INTEGER NOT NULL, root TEXT NOT NULL,
  prev_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TRIGGER commits_no_update BEFORE UPDATE ON commits
BEGIN SELECT RAISE(ABORT, 'the list of commits is append-only'); END;
CREATE TRIGGER commits_no_delete BEFORE DELETE ON commits
BEGIN SELECT RAISE(ABORT, 'the list of commits is append-only'); END;

CREATE TABLE runs (id INTEGER PRIMARY KEY NOT NULL, began INTEGER NOT NULL, ended INTEGER, what TEXT NOT NULL);
