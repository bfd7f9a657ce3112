-- A line may contain several rows that cannot be read.
CREATE TABLE numbered_rejects (
    source TEXT NOT NULL,
    file   TEXT NOT NULL,
    n      INTEGER NOT NULL, -- number among those of the file
    line   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, file, n)
) STRICT, WITHOUT ROWID;
INSERT INTO numbered_rejects
    SELECT source, file, row_number() OVER (PARTITION BY source, file ORDER BY line), line, reason FROM traffic_rejects;
DROP TABLE traffic_rejects;
ALTER TABLE numbered_rejects RENAME TO traffic_rejects;
