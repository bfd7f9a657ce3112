-- A decision applies to the evidence that it was made on.
ALTER TABLE flags RENAME COLUMN example_hash TO evidence_hash;
ALTER TABLE flags ADD COLUMN basis TEXT NOT NULL DEFAULT '';
ALTER TABLE flags ADD COLUMN snoozed_until TEXT;
ALTER TABLE flags ADD COLUMN traffic_share REAL;

-- Every change of a flag's state.
CREATE TABLE queue_steps (
    id         INTEGER PRIMARY KEY,
    dataset    TEXT NOT NULL,
    example_id TEXT NOT NULL,
    code       TEXT NOT NULL,
    at         TEXT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    by_whom    TEXT, -- null: a measurement
    reason     TEXT,
    detail     TEXT
) STRICT;
CREATE INDEX queue_steps_by_example ON queue_steps (dataset, example_id);

-- Decisions that also change a golden set's file, between the two writes. If the process dies there, the file tells
-- whether they were carried out.
CREATE TABLE unfinished_edits (
    id      INTEGER PRIMARY KEY,
    path    TEXT NOT NULL,
    before  TEXT NOT NULL, -- hash of the file's content
    after   TEXT NOT NULL,
    content TEXT NOT NULL  -- the decisions as JSON
) STRICT;
