-- The random key of the hashes that stand for users, and for records whose own id would tell of one. It is made when the
-- first record is imported. Hashes stored without a key are hashed again under it.
CREATE TABLE user_key (
    one INTEGER PRIMARY KEY CHECK (one = 1), -- there is one key
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;
