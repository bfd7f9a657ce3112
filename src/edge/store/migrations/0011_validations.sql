-- Validations of judges against people.
CREATE TABLE judge_validations (
    validation_id TEXT PRIMARY KEY,
    suite         TEXT NOT NULL,
    scorer        TEXT NOT NULL, -- its name in the suite
    identity      TEXT NOT NULL, -- hash of everything that may change the judge's scores
    judge         TEXT NOT NULL, -- the judge in words
    labels_hash   TEXT NOT NULL, -- hash of the labels and of what the judge is asked about
    run_id        TEXT REFERENCES runs (run_id) ON DELETE CASCADE, -- the run whose answers are labelled; null for a calibration set
    started_at    TEXT NOT NULL,
    finished_at   TEXT,          -- null until every item is scored, but for tolerated failures
    view          INTEGER REFERENCES contents (id)
) STRICT;
CREATE INDEX judge_validations_by_scorer ON judge_validations (suite, scorer);

-- The items of a calibration set as the judge scored them. They are stored as they are scored, so that none is asked twice.
CREATE TABLE judge_validation_items (
    validation_id TEXT NOT NULL REFERENCES judge_validations (validation_id) ON DELETE CASCADE,
    item          INTEGER NOT NULL, -- its number among the items of the labels file, from 0
    score         REAL,             -- in [0, 1]; null if there is none
    reason        TEXT,
    failed        INTEGER NOT NULL, -- 1: not scored, because the judge failed
    verdicts      TEXT NOT NULL,    -- the verdicts of its calls, a JSON list
    models        TEXT NOT NULL,    -- the models that the server reported, a JSON list
    calls         INTEGER NOT NULL,
    cost          REAL,
    judged_at     INTEGER NOT NULL, -- seconds since 1970, UTC
    PRIMARY KEY (validation_id, item),
    CHECK (score IS NULL OR NOT failed)
) STRICT, WITHOUT ROWID;
