-- Scores of production's answers. They are never labels: nothing else reads them. A score is found again by what it was
-- made with, so that an interrupted command continues, and one that is run again costs nothing.
CREATE TABLE traffic_scores (
    identity      TEXT NOT NULL,    -- hash of everything that may change the score: the scorer's settings, and what evaluates it
    source        TEXT NOT NULL,
    record_id     TEXT NOT NULL,
    suite         TEXT NOT NULL,
    suite_version TEXT NOT NULL,    -- of the suite that it was made for
    scorer        TEXT NOT NULL,    -- its name in the suite
    value         REAL,             -- null if there was nothing to score; failures are not stored
    reason        TEXT,
    scored_at     INTEGER NOT NULL, -- seconds since 1970, UTC
    PRIMARY KEY (identity, source, record_id),
    FOREIGN KEY (source, record_id) REFERENCES traffic (source, record_id) ON DELETE CASCADE,
    CHECK (value IS NOT NULL OR reason IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX traffic_scores_by_record ON traffic_scores (source, record_id);
