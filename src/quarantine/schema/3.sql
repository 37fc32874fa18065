-- Whether the bytes of a message are an object in the store, named by their digest in `content`, and no file.
ALTER TABLE messages ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_here ON messages (id) WHERE elsewhere = 0;
CREATE INDEX messages_elsewhere ON messages (content) WHERE elsewhere = 1;
DROP INDEX messages_by_state;
CREATE INDEX messages_by_state ON messages (state, size, elsewhere);

-- Objects that a message has left; those that no other uses are removed.
CREATE TABLE left_objects (
    content BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER objects_are_left AFTER DELETE ON messages WHEN old.elsewhere = 1 BEGIN
    INSERT OR IGNORE INTO left_objects (content) VALUES (old.content);
END;
