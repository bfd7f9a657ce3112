-- Contents are stored once, by hash. codec: 0 = as it is, 1 = zstd.
CREATE TABLE contents (
    id    INTEGER PRIMARY KEY,
    hash  BLOB NOT NULL UNIQUE,
    codec INTEGER NOT NULL,
    data  BLOB NOT NULL
) STRICT;

CREATE TABLE dataset_versions (
    dataset    TEXT NOT NULL,
    version    TEXT NOT NULL,
    content    INTEGER NOT NULL REFERENCES contents (id),
    first_seen TEXT NOT NULL,
    PRIMARY KEY (dataset, version)
) STRICT;

CREATE TABLE suite_versions (
    suite      TEXT NOT NULL,
    version    TEXT NOT NULL,
    content    INTEGER NOT NULL REFERENCES contents (id),
    first_seen TEXT NOT NULL,
    PRIMARY KEY (suite, version)
) STRICT;

CREATE TABLE runs (
    run_id               TEXT PRIMARY KEY,
    suite                TEXT NOT NULL,
    suite_version        TEXT NOT NULL,
    dataset              TEXT NOT NULL,
    dataset_version      TEXT NOT NULL,
    endpoint             TEXT NOT NULL,
    endpoint_fingerprint TEXT NOT NULL,
    total                INTEGER NOT NULL,
    started_at           TEXT NOT NULL,
    finished_at          TEXT
) STRICT;
CREATE INDEX runs_by_suite ON runs (suite, endpoint, started_at);
CREATE INDEX runs_by_dataset ON runs (dataset, dataset_version, started_at);

-- One row an example × trial. An error has a kind and a message and no output; it never has a score.
CREATE TABLE outcomes (
    run_id            TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    example_id        TEXT NOT NULL,
    trial             INTEGER NOT NULL,
    output            INTEGER REFERENCES contents (id),
    error_kind        TEXT,
    error_message     TEXT,
    attempts          INTEGER NOT NULL,
    latency_ms        REAL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    model             TEXT,
    PRIMARY KEY (run_id, example_id, trial),
    CHECK ((output IS NULL) <> (error_kind IS NULL))
) STRICT, WITHOUT ROWID;

-- value is null where the scorer had nothing to compare; reason then says why.
CREATE TABLE scores (
    run_id     TEXT NOT NULL,
    example_id TEXT NOT NULL,
    trial      INTEGER NOT NULL,
    scorer     TEXT NOT NULL,
    value      REAL CHECK (value BETWEEN 0 AND 1),
    reason     TEXT,
    PRIMARY KEY (run_id, example_id, trial, scorer),
    FOREIGN KEY (run_id, example_id, trial) REFERENCES outcomes (run_id, example_id, trial) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE traffic (
    id            INTEGER PRIMARY KEY,
    source        TEXT NOT NULL,
    record_id     TEXT NOT NULL,
    at            INTEGER NOT NULL, -- microseconds since 1970, UTC
    input         INTEGER NOT NULL REFERENCES contents (id),
    output        INTEGER REFERENCES contents (id),
    grp           TEXT,
    inclusion     REAL NOT NULL CHECK (inclusion > 0 AND inclusion <= 1),
    UNIQUE (source, record_id)
) STRICT;
CREATE INDEX traffic_by_time ON traffic (source, at);

-- Rows of imported files that could not be read, kept apart with their line. The text is redacted.
CREATE TABLE traffic_rejects (
    source TEXT NOT NULL,
    file   TEXT NOT NULL,
    line   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, file, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE vectors (
    content INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    space   TEXT NOT NULL,
    data    BLOB NOT NULL, -- little-endian f32
    PRIMARY KEY (content, space)
) STRICT, WITHOUT ROWID;

CREATE TABLE taxonomies (
    version    TEXT PRIMARY KEY,
    dataset    TEXT NOT NULL,
    space      TEXT NOT NULL,
    reference  TEXT NOT NULL, -- label of the window the first clusters were fitted on
    parent     TEXT REFERENCES taxonomies (version),
    content    INTEGER NOT NULL REFERENCES contents (id),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX taxonomies_by_dataset ON taxonomies (dataset, space, created_at);

CREATE TABLE assays (
    assay_id        TEXT PRIMARY KEY,
    dataset         TEXT NOT NULL,
    dataset_version TEXT NOT NULL,
    space           TEXT NOT NULL,
    measured_at     TEXT NOT NULL,
    view            INTEGER NOT NULL REFERENCES contents (id)
) STRICT;
CREATE INDEX assays_by_dataset ON assays (dataset, measured_at);

-- The relabel queue: one row an example and reason.
CREATE TABLE flags (
    dataset      TEXT NOT NULL,
    example_id   TEXT NOT NULL,
    code         TEXT NOT NULL,
    state        TEXT NOT NULL,
    score        REAL NOT NULL,
    threshold    REAL NOT NULL,
    evidence     TEXT NOT NULL,
    example_hash TEXT NOT NULL,
    first_seen   TEXT NOT NULL,
    last_seen    TEXT NOT NULL,
    PRIMARY KEY (dataset, example_id, code)
) STRICT, WITHOUT ROWID;
