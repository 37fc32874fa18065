CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL,
    received INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    state TEXT NOT NULL,
    released INTEGER,
    size INTEGER NOT NULL,
    likeness BLOB NOT NULL,
    sender TEXT NOT NULL,
    subject TEXT NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_age ON messages (last_seen, id);
CREATE INDEX messages_by_arrival ON messages (received, id);
CREATE INDEX messages_by_state ON messages (state, size);
CREATE INDEX messages_by_likeness ON messages (likeness);
CREATE TABLE recipients (
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    PRIMARY KEY (message, recipient)
) STRICT, WITHOUT ROWID;
CREATE TABLE hits (
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    PRIMARY KEY (message, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX hits_by_rule ON hits (rule);
CREATE TABLE sightings (
    id TEXT PRIMARY KEY NOT NULL,
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX sightings_by_message ON sightings (message);
CREATE TABLE marks (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    token BLOB NOT NULL,
    fields INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    first_used INTEGER
) STRICT;
CREATE INDEX marks_by_message ON marks (message);
CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last_expiry INTEGER NOT NULL,
    suspect_since INTEGER
) STRICT;
