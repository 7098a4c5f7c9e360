-- Scale: a round, and a look at one session, follow indices; what the metrics count is kept up as rows come and go.
CREATE INDEX evidence_by_time ON evidence (at) WHERE released_at IS NULL;

CREATE INDEX accounts_by_boundary_session ON accounts (boundary_session_id);
CREATE INDEX accounts_by_ssm_session ON accounts (ssm_session_id);
CREATE INDEX accounts_by_end ON accounts (ended, started);
CREATE INDEX accounts_by_task_arn ON accounts (task_arn);
CREATE INDEX accounts_by_user ON accounts (user_id, started);
CREATE INDEX accounts_by_user_name ON accounts (user_name, started);
CREATE INDEX accounts_by_principal ON accounts (principal_arn, started);
-- Shells whose transcript is looked for, and those whose transcript may still grow.
CREATE INDEX accounts_without_transcript ON accounts (ended, started) WHERE ssm_session_id IS NOT NULL AND transcript IS NULL;
CREATE INDEX accounts_with_transcript ON accounts (ended, started) WHERE ssm_session_id IS NOT NULL AND transcript IS NOT NULL;

CREATE INDEX findings_by_ssm_session ON findings (ssm_session_id);
CREATE INDEX findings_by_boundary_session ON findings (boundary_session_id);
CREATE INDEX findings_by_time ON findings (coalesce(at, first_seen));

CREATE TABLE tallies (what TEXT NOT NULL, word TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (what, word)) WITHOUT ROWID;
INSERT INTO tallies SELECT 'facts', kind, count(*) FROM facts GROUP BY kind;
INSERT INTO tallies SELECT 'accounts', assurance, count(*) FROM accounts GROUP BY assurance;
INSERT INTO tallies SELECT 'findings', severity || ' ' || state, count(*) FROM findings GROUP BY severity, state;
INSERT INTO tallies SELECT 'cases', 'all', count(*) FROM cases HAVING count(*) > 0;
INSERT INTO tallies SELECT 'evidence', 'pieces', count(*) FROM evidence WHERE forgotten_at IS NULL HAVING count(*) > 0;
INSERT INTO tallies SELECT 'evidence', 'bytes', sum(bytes) FROM evidence WHERE forgotten_at IS NULL HAVING count(*) > 0;

CREATE TRIGGER facts_come AFTER INSERT ON facts BEGIN
  INSERT INTO tallies VALUES ('facts', new.kind, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER facts_go AFTER DELETE ON facts BEGIN
  UPDATE tallies SET n = n - 1 WHERE what = 'facts' AND word = old.kind;
END;
CREATE TRIGGER accounts_come AFTER INSERT ON accounts BEGIN
  INSERT INTO tallies VALUES ('accounts', new.assurance, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER accounts_change AFTER UPDATE OF assurance ON accounts WHEN old.assurance <> new.assurance BEGIN
  UPDATE tallies SET n = n - 1 WHERE what = 'accounts' AND word = old.assurance;
  INSERT INTO tallies VALUES ('accounts', new.assurance, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER accounts_go AFTER DELETE ON accounts BEGIN
  UPDATE tallies SET n = n - 1 WHERE what = 'accounts' AND word = old.assurance;
END;
CREATE TRIGGER findings_come AFTER INSERT ON findings BEGIN
  INSERT INTO tallies VALUES ('findings', new.severity || ' ' || new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER findings_go AFTER DELETE ON findings BEGIN
  UPDATE tallies SET n = n - 1 WHERE what = 'findings' AND word = old.severity || ' ' || old.state;
END;
CREATE TRIGGER cases_come AFTER INSERT ON cases BEGIN
  INSERT INTO tallies VALUES ('cases', 'all', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER cases_go AFTER DELETE ON cases BEGIN
  UPDATE tallies SET n = n - 1 WHERE what = 'cases' AND word = 'all';
END;
CREATE TRIGGER evidence_comes AFTER INSERT ON evidence BEGIN
  INSERT INTO tallies VALUES ('evidence', 'pieces', 1), ('evidence', 'bytes', new.bytes)
    ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER evidence_is_forgotten AFTER UPDATE OF forgotten_at ON evidence
WHEN old.forgotten_at IS NULL AND new.forgotten_at IS NOT NULL BEGIN
  UPDATE tallies SET n = n - CASE word WHEN 'bytes' THEN old.bytes ELSE 1 END WHERE what = 'evidence';
END;
CREATE TRIGGER evidence_is_back AFTER UPDATE OF forgotten_at ON evidence
WHEN old.forgotten_at IS NOT NULL AND new.forgotten_at IS NULL BEGIN
  UPDATE tallies SET n = n + CASE word WHEN 'bytes' THEN old.bytes ELSE 1 END WHERE what = 'evidence';
END;
