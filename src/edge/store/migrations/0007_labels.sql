-- What people were asked to label. The id does not tell an example from a record of traffic.
CREATE TABLE label_tasks (
    task_id     TEXT PRIMARY KEY,
    dataset     TEXT NOT NULL,
    example_id  TEXT,             -- of the golden set; else source and record_id are given
    source      TEXT,
    record_id   TEXT,
    input       INTEGER NOT NULL REFERENCES contents (id), -- as JSON
    expected    TEXT NOT NULL,    -- the accepted answers when it was exported, as JSON
    candidate   INTEGER NOT NULL, -- whether it becomes an example once it is labelled
    probability REAL,             -- with which it was drawn from the window, if it was drawn at random
    window_from TEXT,
    window_to   TEXT,
    settled     TEXT,             -- the answers that an import has applied, as JSON
    exported_at TEXT NOT NULL
) STRICT;
CREATE INDEX label_tasks_by_dataset ON label_tasks (dataset);

-- The labels given, one per task and annotator.
CREATE TABLE labels (
    task_id     TEXT NOT NULL REFERENCES label_tasks (task_id),
    annotator   TEXT NOT NULL,
    label       TEXT NOT NULL,
    labeled_at  TEXT NOT NULL,
    comment     TEXT,
    PRIMARY KEY (task_id, annotator)
) STRICT;

-- Decisions that follow from labels are stored together with them.
UPDATE unfinished_edits SET content =
    json_object('decided', json(content), 'labels', json_object('rows', json_array(), 'settled', json_array()));
