-- What is searched stands in narrow rows; the entries, which are long, in a table of their own.
CREATE TABLE entries (
    message TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    entry TEXT NOT NULL
) STRICT;
INSERT INTO entries SELECT id, entry FROM messages;
ALTER TABLE messages DROP COLUMN entry;
-- 0 until the columns below are made from the entry.
ALTER TABLE messages ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN content BLOB;
ALTER TABLE messages ADD COLUMN client BLOB;
ALTER TABLE messages ADD COLUMN domain TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN policies TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN score INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN virus INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_by_content ON messages (content);
CREATE INDEX messages_unknown ON messages (known) WHERE known = 0;

-- What has become of a message, recipient by recipient. Others have been given a copy on top.
ALTER TABLE recipients ADD COLUMN domain TEXT NOT NULL DEFAULT '';
ALTER TABLE recipients ADD COLUMN other INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipients ADD COLUMN state TEXT NOT NULL DEFAULT 'held';
ALTER TABLE recipients ADD COLUMN released INTEGER;
-- When it was released before the release that is under way.
ALTER TABLE recipients ADD COLUMN before INTEGER;
-- Serial of the mark under which it was sent last.
ALTER TABLE recipients ADD COLUMN mark INTEGER;
-- The digest that told of it.
ALTER TABLE recipients ADD COLUMN digest TEXT;
UPDATE recipients SET state = 'released',
    released = (SELECT coalesce(released, received) FROM messages WHERE id = message)
WHERE message IN (SELECT id FROM messages WHERE state = 'released');
UPDATE recipients SET state = 'releasing',
    mark = (SELECT max(serial) FROM marks WHERE marks.message = recipients.message)
WHERE message IN (SELECT id FROM messages WHERE state = 'releasing');
CREATE INDEX recipients_by_mark ON recipients (mark) WHERE mark IS NOT NULL;
CREATE INDEX recipients_by_digest ON recipients (digest) WHERE digest IS NOT NULL;
CREATE INDEX recipients_untold ON recipients (recipient, message)
    WHERE digest IS NULL AND state = 'held' AND other = 0;
-- Nobody wants to be told of what was held before there were digests.
UPDATE recipients SET digest = '';

-- Marks are for digests too, which are no messages of the quarantine.
ALTER TABLE marks RENAME TO old_marks;
CREATE TABLE marks (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    purpose TEXT NOT NULL,
    token BLOB NOT NULL,
    fields INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    first_used INTEGER
) STRICT;
INSERT INTO marks SELECT serial, message, 'release', token, fields, fingerprint, issued, expires, uses, first_used
    FROM old_marks;
DROP TABLE old_marks;
CREATE INDEX marks_by_message ON marks (message);
CREATE TRIGGER marks_go AFTER DELETE ON messages BEGIN
    DELETE FROM marks WHERE message = old.id;
END;

CREATE TABLE digests (
    id TEXT PRIMARY KEY NOT NULL,
    recipient TEXT NOT NULL,
    -- The exact address, as it goes between angle brackets.
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    made INTEGER NOT NULL,
    sent INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX digests_open ON digests (state) WHERE state = 'sending';
CREATE INDEX digests_by_age ON digests (made);
CREATE TABLE digest_clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last_run INTEGER NOT NULL
) STRICT;
