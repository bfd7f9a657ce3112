-- What a run came to, for gates that compare with earlier runs and for the history of a suite.
ALTER TABLE runs ADD COLUMN verdict TEXT;                   -- null: unfinished, or older than this column
ALTER TABLE runs ADD COLUMN models TEXT;                    -- reported by the server, as a JSON list
ALTER TABLE runs ADD COLUMN parity TEXT;                    -- the comparison of groups, as JSON; null unless the suite asks
CREATE TABLE gate_results (
    run_id           TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    place            INTEGER NOT NULL,
    gate             TEXT NOT NULL, -- its name
    verdict          TEXT NOT NULL,
    detail           TEXT NOT NULL,
    require_decision INTEGER NOT NULL,
    level            REAL,          -- the one-sided level at which it could fail
    PRIMARY KEY (run_id, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_scores (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    scorer TEXT NOT NULL,
    mean   REAL,
    lo     REAL,
    hi     REAL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (run_id, scorer)
) STRICT, WITHOUT ROWID;

-- Names for runs, such as main: one run per name, suite, endpoint and prompt.
CREATE TABLE run_tags (
    tag       TEXT NOT NULL,
    suite     TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    prompt    TEXT NOT NULL, -- '' for the only prompt of a suite
    run_id    TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    tagged_at TEXT NOT NULL,
    PRIMARY KEY (tag, suite, endpoint, prompt)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_tags_by_run ON run_tags (run_id);
