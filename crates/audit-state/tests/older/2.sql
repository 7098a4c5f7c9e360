PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE cursors (
  source TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL,
  value TEXT NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (source, place, name)
) WITHOUT ROWID;
INSERT INTO cursors VALUES('cloud_trail','home','next','100',1777629700000000);
CREATE TABLE facts (
  id TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL, place TEXT NOT NULL, kind TEXT NOT NULL,
  at INTEGER, observed_at INTEGER NOT NULL, evidence TEXT NOT NULL, body TEXT NOT NULL
);
INSERT INTO facts VALUES('28aaaf570bf6af5bfe0f9d188fad92dc45551d0fbea922204070fa320428719f','ecs','home','task',1777629600000000,1777629600000000,'23d107d314da8be124d0259cbfec3e9b033f12192cb586cde3132afb5d72a906','{"kind":"task","task_id":"00000000000000000000000000000001","task_arn":"arn:aws:ecs:us-east-2:123456789012:task/demo/00000000000000000000000000000001","last_status":"RUNNING","created":"2026-05-01T10:00:00Z","stopped":null,"cluster_id":null,"investigation_id":"inv-1","owner_name":null,"owner_subject":null,"deadline":null,"seen":null}');
INSERT INTO facts VALUES('c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e','cloud_trail','home','execution',1777629600000000,1777629660000000,'0114c948dd716b30f2a3ff4ec054c300f3b699242712d9a4c98d50f3f368b81d','{"kind":"execution","event_id":"event-1","at":"2026-05-01T10:00:00Z","region":"us-east-2","account":"123456789012","principal":{"arn":"","role_session_name":null,"source_identity":null,"access_key_id":"ASIA1","invoked_by":null,"client_address":null,"user_agent":null},"task_id":"00000000000000000000000000000001","task_arn":null,"container":null,"planted":null,"ssm_session_id":"ecs-execute-command-00000000000000001","error_code":null}');
INSERT INTO facts VALUES('18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d','cloud_trail','home','execution',1777629630000000,1777629690000000,'eeb59432d19d1cc035f00552504d22a6faf6b91c742c58dd9ae89b65e539e08b','{"kind":"execution","event_id":"event-2","at":"2026-05-01T10:00:30Z","region":"us-east-2","account":"123456789012","principal":{"arn":"","role_session_name":null,"source_identity":null,"access_key_id":"ASIA2","invoked_by":null,"client_address":null,"user_agent":null},"task_id":"00000000000000000000000000000002","task_arn":null,"container":null,"planted":null,"ssm_session_id":"ecs-execute-command-00000000000000002","error_code":null}');
CREATE TABLE fact_keys (key TEXT NOT NULL, fact_id TEXT NOT NULL, PRIMARY KEY (key, fact_id)) WITHOUT ROWID;
INSERT INTO fact_keys VALUES('ssm:ecs-execute-command-00000000000000002','18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d');
INSERT INTO fact_keys VALUES('task:00000000000000000000000000000002','18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d');
INSERT INTO fact_keys VALUES('task:00000000000000000000000000000001','28aaaf570bf6af5bfe0f9d188fad92dc45551d0fbea922204070fa320428719f');
INSERT INTO fact_keys VALUES('ssm:ecs-execute-command-00000000000000001','c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e');
INSERT INTO fact_keys VALUES('task:00000000000000000000000000000001','c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e');
CREATE TABLE fact_mentions (
  key TEXT NOT NULL, tells INTEGER NOT NULL, fact_id TEXT NOT NULL, PRIMARY KEY (key, tells, fact_id)
) WITHOUT ROWID;
INSERT INTO fact_mentions VALUES('akid:ASIA2',0,'18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d');
INSERT INTO fact_mentions VALUES('akid:ASIA1',0,'c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e');
CREATE TABLE evidence (
  sha256 TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL, place TEXT NOT NULL,
  request TEXT NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
  commit_n INTEGER NOT NULL
, released_at INTEGER, forgotten_at INTEGER) WITHOUT ROWID;
INSERT INTO evidence VALUES('0114c948dd716b30f2a3ff4ec054c300f3b699242712d9a4c98d50f3f368b81d','cloud_trail','home','"page"',1777629600000000,100,1,NULL,NULL);
INSERT INTO evidence VALUES('23d107d314da8be124d0259cbfec3e9b033f12192cb586cde3132afb5d72a906','cloud_trail','home','"page"',1777629600000000,100,1,NULL,NULL);
INSERT INTO evidence VALUES('eeb59432d19d1cc035f00552504d22a6faf6b91c742c58dd9ae89b65e539e08b','cloud_trail','home','"page"',1777629600000000,100,1,NULL,NULL);
CREATE TABLE fact_evidence (fact_id TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (fact_id, sha256)) WITHOUT ROWID;
INSERT INTO fact_evidence VALUES('c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e','0114c948dd716b30f2a3ff4ec054c300f3b699242712d9a4c98d50f3f368b81d');
INSERT INTO fact_evidence VALUES('28aaaf570bf6af5bfe0f9d188fad92dc45551d0fbea922204070fa320428719f','23d107d314da8be124d0259cbfec3e9b033f12192cb586cde3132afb5d72a906');
INSERT INTO fact_evidence VALUES('18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d','eeb59432d19d1cc035f00552504d22a6faf6b91c742c58dd9ae89b65e539e08b');
CREATE TABLE coverage (
  source TEXT NOT NULL, place TEXT NOT NULL, scope TEXT NOT NULL,
  from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, grade TEXT NOT NULL, lack TEXT,
  PRIMARY KEY (source, place, scope, from_at)
) WITHOUT ROWID;
CREATE TABLE cases (
  id TEXT PRIMARY KEY NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  facts INTEGER NOT NULL, final INTEGER NOT NULL, due INTEGER
) WITHOUT ROWID;
INSERT INTO cases VALUES('ssm:ecs-execute-command-00000000000000001',1777629600000000,1777629600000000,2,0,1777630600000000);
INSERT INTO cases VALUES('ssm:ecs-execute-command-00000000000000002',1777629630000000,1777629630000000,1,0,1777630600000000);
CREATE TABLE dirty (key TEXT PRIMARY KEY NOT NULL, commit_n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
  id TEXT PRIMARY KEY NOT NULL, case_id TEXT NOT NULL,
  ssm_session_id TEXT, boundary_session_id TEXT, task_arn TEXT, task_id TEXT, cluster_id TEXT, investigation_id TEXT,
  container TEXT, method TEXT NOT NULL, assurance TEXT NOT NULL, grade TEXT, alternatives INTEGER NOT NULL,
  user_id TEXT, user_name TEXT, principal_arn TEXT, client_address TEXT, started INTEGER, ended INTEGER,
  exit_code INTEGER, ending TEXT, bytes_down INTEGER, transcript TEXT,
  agree INTEGER NOT NULL, applicable INTEGER NOT NULL, body TEXT NOT NULL
);
INSERT INTO accounts VALUES('ssm:ecs-execute-command-00000000000000001','ssm:ecs-execute-command-00000000000000001','ecs-execute-command-00000000000000001',NULL,NULL,'00000000000000000000000000000001',NULL,'inv-1',NULL,'none','none',NULL,0,NULL,NULL,NULL,NULL,1777629600000000,NULL,NULL,NULL,NULL,NULL,0,0,'{"id":"ssm:ecs-execute-command-00000000000000001","ssm_session_id":"ecs-execute-command-00000000000000001","boundary_session_id":null,"task_arn":null,"task_id":"00000000000000000000000000000001","cluster_id":null,"investigation_id":"inv-1","container":null,"method":"none","assurance":"none","grade":null,"alternatives":0,"features":null,"user_id":null,"user_name":null,"principal_arn":null,"client_address":null,"reason":null,"started":"2026-05-01T10:00:00Z","ended":null,"exit_code":null,"ending":null,"bytes_down":null,"transcript":null,"transcript_evidence":null,"witnesses":[],"facts":["28aaaf570bf6af5bfe0f9d188fad92dc45551d0fbea922204070fa320428719f","c49df14a285bad9a70cdaf25a625af6563b88abe341ed285346cec61f2840f4e"]}');
INSERT INTO accounts VALUES('ssm:ecs-execute-command-00000000000000002','ssm:ecs-execute-command-00000000000000002','ecs-execute-command-00000000000000002',NULL,NULL,'00000000000000000000000000000002',NULL,NULL,NULL,'none','none',NULL,0,NULL,NULL,NULL,NULL,1777629630000000,NULL,NULL,NULL,NULL,NULL,0,0,'{"id":"ssm:ecs-execute-command-00000000000000002","ssm_session_id":"ecs-execute-command-00000000000000002","boundary_session_id":null,"task_arn":null,"task_id":"00000000000000000000000000000002","cluster_id":null,"investigation_id":null,"container":null,"method":"none","assurance":"none","grade":null,"alternatives":0,"features":null,"user_id":null,"user_name":null,"principal_arn":null,"client_address":null,"reason":null,"started":"2026-05-01T10:00:30Z","ended":null,"exit_code":null,"ending":null,"bytes_down":null,"transcript":null,"transcript_evidence":null,"witnesses":[],"facts":["18419434ca5d5634390d344a5398edba1dee440f1bf0c4e3a4a3d627c376d82d"]}');
CREATE TABLE findings (
  id TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL, severity_rank INTEGER NOT NULL,
  state TEXT NOT NULL, subject TEXT NOT NULL, case_id TEXT, at INTEGER,
  boundary_session_id TEXT, ssm_session_id TEXT, task_arn TEXT, user_id TEXT, principal_arn TEXT,
  assurance TEXT NOT NULL, first_seen INTEGER NOT NULL, last_changed INTEGER NOT NULL, body TEXT NOT NULL
);
INSERT INTO findings VALUES('fd701ca51ffa435c1a21b8188b5c339c','BYPASS_EXEC','critical',4,'open','ssm:ecs-execute-command-00000000000000001','ssm:ecs-execute-command-00000000000000001',1777629600000000,NULL,'ecs-execute-command-00000000000000001',NULL,NULL,NULL,'none',1777629700000000,1777629700000000,'{"id":"fd701ca51ffa435c1a21b8188b5c339c","code":"BYPASS_EXEC","severity":"critical","state":"open","subject":{"subject":"ssm_session","id":"ecs-execute-command-00000000000000001"},"text":"nobody authorised it","at":"2026-05-01T10:00:00Z","boundary_session_id":null,"ssm_session_id":"ecs-execute-command-00000000000000001","task_arn":null,"user_id":null,"principal_arn":null,"assurance":"none","agree":0,"applicable":1,"evidence":[],"coverage":[{"source":"boundary_api","from":"2026-05-01T10:00:00Z","to":"2026-05-01T10:01:00Z","grade":"proved"}]}');
INSERT INTO findings VALUES('d5f5b49ff5d17384d2fd856423b617f0','BYPASS_EXEC','critical',4,'open','ssm:ecs-execute-command-00000000000000002','ssm:ecs-execute-command-00000000000000002',1777629630000000,NULL,'ecs-execute-command-00000000000000002',NULL,NULL,NULL,'none',1777629700000000,1777629700000000,'{"id":"d5f5b49ff5d17384d2fd856423b617f0","code":"BYPASS_EXEC","severity":"critical","state":"open","subject":{"subject":"ssm_session","id":"ecs-execute-command-00000000000000002"},"text":"nobody authorised it","at":"2026-05-01T10:00:30Z","boundary_session_id":null,"ssm_session_id":"ecs-execute-command-00000000000000002","task_arn":null,"user_id":null,"principal_arn":null,"assurance":"none","agree":0,"applicable":1,"evidence":[],"coverage":[{"source":"boundary_api","from":"2026-05-01T10:00:00Z","to":"2026-05-01T10:01:00Z","grade":"proved"}]}');
CREATE TABLE finding_history (
  n INTEGER PRIMARY KEY NOT NULL, finding_id TEXT NOT NULL, at INTEGER NOT NULL,
  from_state TEXT, to_state TEXT NOT NULL, why TEXT NOT NULL,
  prev_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL
);
INSERT INTO finding_history VALUES(1,'fd701ca51ffa435c1a21b8188b5c339c',1777629700000000,NULL,'open','raised','','2dc415a94e8e464f904470a0b92ed611e8b79c8d430c99165dfd4a7644f3ac0c');
INSERT INTO finding_history VALUES(2,'d5f5b49ff5d17384d2fd856423b617f0',1777629700000000,NULL,'open','raised','2dc415a94e8e464f904470a0b92ed611e8b79c8d430c99165dfd4a7644f3ac0c','6d8a74bc34ba10b2c28471373355246c3685d0c55f44a676686db31a22c1adc6');
CREATE TABLE commits (
  n INTEGER PRIMARY KEY NOT NULL, at INTEGER NOT NULL, root TEXT NOT NULL,
  prev_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL
);
INSERT INTO commits VALUES(1,1777629700000000,'d18fccc7e02417d73297fd861071e39c345008268d1495f05a3ca91e699d1af2','','898c00296cfc5ed8e312fe1ef3d21bc6a2d9cd4440abd3d346851adf44cda96a');
CREATE TABLE runs (id INTEGER PRIMARY KEY NOT NULL, began INTEGER NOT NULL, ended INTEGER, what TEXT NOT NULL);
CREATE INDEX facts_by_kind ON facts (kind, at);
CREATE INDEX fact_keys_by_fact ON fact_keys (fact_id, key);
CREATE INDEX fact_mentions_by_fact ON fact_mentions (fact_id, key);
CREATE INDEX fact_evidence_by_sha ON fact_evidence (sha256);
CREATE INDEX cases_due ON cases (due) WHERE due IS NOT NULL;
CREATE INDEX cases_final ON cases (final, last_at);
CREATE INDEX dirty_by_commit ON dirty (commit_n, key);
CREATE INDEX accounts_by_case ON accounts (case_id);
CREATE INDEX accounts_by_start ON accounts (started);
CREATE INDEX accounts_by_investigation ON accounts (investigation_id, started);
CREATE INDEX accounts_by_task ON accounts (task_id);
CREATE INDEX findings_by_case ON findings (case_id);
CREATE INDEX findings_by_state ON findings (state, severity_rank);
CREATE INDEX finding_history_by_finding ON finding_history (finding_id, n);
CREATE TRIGGER finding_history_no_update BEFORE UPDATE ON finding_history
BEGIN SELECT RAISE(ABORT, 'the history of findings is append-only'); END;
CREATE TRIGGER finding_history_no_delete BEFORE DELETE ON finding_history
BEGIN SELECT RAISE(ABORT, 'the history of findings is append-only'); END;
CREATE TRIGGER commits_no_update BEFORE UPDATE ON commits
BEGIN SELECT RAISE(ABORT, 'the list of commits is append-only'); END;
CREATE TRIGGER commits_no_delete BEFORE DELETE ON commits
BEGIN SELECT RAISE(ABORT, 'the list of commits is append-only'); END;
CREATE INDEX evidence_released ON evidence (released_at) WHERE released_at IS NOT NULL AND forgotten_at IS NULL;
COMMIT;
PRAGMA application_id = 1094873972;
PRAGMA user_version = 2;
