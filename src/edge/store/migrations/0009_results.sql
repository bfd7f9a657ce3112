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
    first  INTEGER NOT NULL, -- 1 for the first scorer of the suite
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

-- Canaries. Their pairs are drawn with replacement, so they are not outcomes of a run.
CREATE TABLE canaries (
    canary_id   TEXT PRIMARY KEY,
    suite       TEXT NOT NULL,
    identity    TEXT NOT NULL, -- JSON: versions, endpoints, prompt, rule and seed; a canary is resumed only if they are equal
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    view        INTEGER REFERENCES contents (id)
) STRICT;
CREATE INDEX canaries_by_suite ON canaries (suite, started_at);
CREATE TABLE canary_pairs (
    canary_id  TEXT NOT NULL REFERENCES canaries (canary_id) ON DELETE CASCADE,
    number     INTEGER NOT NULL, -- of the draw, from 0
    example_id TEXT NOT NULL,
    answers    INTEGER NOT NULL REFERENCES contents (id), -- JSON: output or error, score, latency and cost of both
    PRIMARY KEY (canary_id, number)
) STRICT, WITHOUT ROWID;
