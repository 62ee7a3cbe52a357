-- Billed impressions of users who are counted: written with the notice, deleted when the tag store has counted them.
-- Numbers of rows rise and are never used again, so the first row is the one that waits longest.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    bid        TEXT NOT NULL,
    user_key   TEXT NOT NULL,
    advertiser INTEGER NOT NULL,
    campaign   INTEGER NOT NULL,
    line_item  INTEGER NOT NULL,
    seen       INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_user ON outbox (user_key);

-- Whose turn it is to deliver them, of all ledgers of this database: whoever has the number `term`, until a moment.
CREATE TABLE outbox_turn (
    id         INTEGER PRIMARY KEY,
    term       INTEGER NOT NULL,
    until      INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_turn (id, term, until) VALUES (1, 0, 0);
