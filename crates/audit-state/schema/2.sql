-- Retention: evidence that no fact rests on is released first, deleted from its store, then forgotten.
ALTER TABLE evidence ADD COLUMN released_at INTEGER;
ALTER TABLE evidence ADD COLUMN forgotten_at INTEGER;
CREATE INDEX evidence_released ON evidence (released_at) WHERE released_at IS NOT NULL AND forgotten_at IS NULL;
