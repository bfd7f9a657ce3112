-- What each space is made of, and, where a server makes the vectors, those it gave for fixed texts.
CREATE TABLE spaces (
    space       TEXT PRIMARY KEY,
    name        TEXT NOT NULL, -- of the embedder in karat.yaml when it was first used
    description TEXT NOT NULL, -- JSON: kind and parts
    probes      BLOB,          -- little-endian f32, one vector after the other
    first_used  TEXT NOT NULL
) STRICT;
CREATE INDEX vectors_by_space ON vectors (space);

-- A structured input (chat messages, an object) as redacted canonical JSON, from which a text rule takes its text.
ALTER TABLE traffic ADD COLUMN structure INTEGER REFERENCES contents (id);
