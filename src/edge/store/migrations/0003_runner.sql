-- Prompts by name, repeats, and what was chosen of the dataset.
ALTER TABLE runs ADD COLUMN prompt TEXT;                        -- name in the suite; null where it has one prompt
ALTER TABLE runs ADD COLUMN repeats INTEGER NOT NULL DEFAULT 1; -- trials of each example
ALTER TABLE runs ADD COLUMN selection TEXT NOT NULL DEFAULT ''; -- filters and limit as one text

ALTER TABLE outcomes ADD COLUMN ttft_ms REAL;
ALTER TABLE outcomes ADD COLUMN cost REAL;
ALTER TABLE outcomes ADD COLUMN cached INTEGER NOT NULL DEFAULT 0; -- 1: not asked for, but taken from the cache or a cassette
ALTER TABLE outcomes ADD COLUMN answered_at INTEGER;               -- seconds since 1970, UTC
-- What an answer can serve again for: endpoint, request and trial. Only answers that were asked for have one.
ALTER TABLE outcomes ADD COLUMN request_key BLOB;
CREATE INDEX outcomes_by_request ON outcomes (request_key) WHERE request_key IS NOT NULL;

-- A dataset version is kept in parts, so that neither writing nor reading it needs all of it in memory.
CREATE TABLE dataset_parts (
    dataset TEXT NOT NULL,
    version TEXT NOT NULL,
    part    INTEGER NOT NULL,
    content INTEGER NOT NULL REFERENCES contents (id),
    PRIMARY KEY (dataset, version, part)
) STRICT, WITHOUT ROWID;
INSERT INTO dataset_parts (dataset, version, part, content) SELECT dataset, version, 0, content FROM dataset_versions;
CREATE TABLE dataset_versions_without_content (
    dataset    TEXT NOT NULL,
    version    TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (dataset, version)
) STRICT;
INSERT INTO dataset_versions_without_content SELECT dataset, version, first_seen FROM dataset_versions;
DROP TABLE dataset_versions;
ALTER TABLE dataset_versions_without_content RENAME TO dataset_versions;
