-- What scorers look at besides the text, scorers that fail, and models that grade.
ALTER TABLE outcomes ADD COLUMN finish_reason TEXT;
ALTER TABLE outcomes ADD COLUMN tool_calls INTEGER REFERENCES contents (id); -- beside the text of the answer
ALTER TABLE outcomes ADD COLUMN scored INTEGER NOT NULL DEFAULT 1;           -- 0: the answer is stored, its scores are not yet
ALTER TABLE scores ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;             -- 1: not scored, because the scorer failed

-- The calls of judges. They are stored as they are answered, so that none is paid for twice.
CREATE TABLE judge_calls (
    run_id            TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    example_id        TEXT NOT NULL,
    trial             INTEGER NOT NULL,
    scorer            INTEGER NOT NULL, -- its index among the scorers of the suite that are evaluated outside karat
    call              INTEGER NOT NULL, -- repeats, and both orders of a pair
    judge             TEXT NOT NULL,    -- the endpoint
    output            INTEGER REFERENCES contents (id),
    error_kind        TEXT,
    error_message     TEXT,
    attempts          INTEGER NOT NULL,
    latency_ms        REAL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    model             TEXT,
    cost              REAL,
    cached            INTEGER NOT NULL,
    verdict           TEXT,             -- what was read from the reply, as JSON; null if it has no verdict
    answered_at       INTEGER NOT NULL, -- seconds since 1970, UTC
    request_key       BLOB,
    PRIMARY KEY (run_id, example_id, trial, scorer, call),
    CHECK ((output IS NULL) <> (error_kind IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX judge_calls_by_request ON judge_calls (request_key) WHERE request_key IS NOT NULL;

-- What evaluated the scorers of a run that are evaluated outside karat: scores of two judges are never compared.
CREATE TABLE run_scorers (
    run_id   TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    scorer   TEXT NOT NULL, -- its name in the suite
    identity TEXT NOT NULL, -- hash of everything that may change its scores
    shown    TEXT NOT NULL, -- the judges, programs or models in words
    PRIMARY KEY (run_id, scorer)
) STRICT, WITHOUT ROWID;

-- The answers to the turns of conversations. They are stored as they arrive; the outcome has the last one.
CREATE TABLE turns (
    run_id            TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    example_id        TEXT NOT NULL,
    trial             INTEGER NOT NULL,
    turn              INTEGER NOT NULL,
    output            INTEGER NOT NULL REFERENCES contents (id),
    tool_calls        INTEGER REFERENCES contents (id),
    finish_reason     TEXT,
    attempts          INTEGER NOT NULL,
    latency_ms        REAL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    model             TEXT,
    cost              REAL,
    cached            INTEGER NOT NULL,
    answered_at       INTEGER NOT NULL, -- seconds since 1970, UTC
    request_key       BLOB NOT NULL,
    PRIMARY KEY (run_id, example_id, trial, turn)
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_by_request ON turns (request_key);
