-- Leases. Every transaction of a ledger takes the row of `head` first: so transactions have one order, `seq`, whichever
-- ledger they are of, and a ledger that remembers what it read as of `seq` reads only rows of later ones.
CREATE TABLE head (
    id             INTEGER PRIMARY KEY,
    seq            INTEGER NOT NULL,
    written        INTEGER NOT NULL,
    watermark      INTEGER NOT NULL,
    last_epoch     INTEGER NOT NULL,
    last_lease     INTEGER NOT NULL
) STRICT;
INSERT INTO head (id, seq, written, watermark, last_epoch, last_lease)
VALUES (1, 0, -9223372036854775808, -9223372036854775808, 0, 0);

-- What is free follows from the limit and the rest. Day -2147483649: for ever.
CREATE TABLE accounts (
    owner_kind     INTEGER NOT NULL,
    owner          INTEGER NOT NULL,
    day            INTEGER NOT NULL,
    limit_nanos    INTEGER,
    leased         INTEGER NOT NULL,
    held           INTEGER NOT NULL,
    spent          INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    PRIMARY KEY (owner_kind, owner, day)
) STRICT;
CREATE INDEX accounts_by_seq ON accounts (seq);

-- In these three `gone` is 1 for what is over, until every ledger has read it.
CREATE TABLE sessions (
    epoch          INTEGER PRIMARY KEY,
    valid_until    INTEGER NOT NULL,
    applied        INTEGER NOT NULL,
    gone           INTEGER NOT NULL,
    seq            INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_seq ON sessions (seq);

CREATE TABLE leases (
    id             INTEGER PRIMARY KEY,
    epoch          INTEGER NOT NULL,
    advertiser     INTEGER NOT NULL,
    campaign       INTEGER NOT NULL,
    line_item      INTEGER NOT NULL,
    day            INTEGER NOT NULL,
    day_ends       INTEGER NOT NULL,
    longest_hold_s INTEGER NOT NULL,
    granted        INTEGER NOT NULL,
    returned       INTEGER NOT NULL,
    charged        INTEGER NOT NULL,
    held           INTEGER NOT NULL,
    gone           INTEGER NOT NULL,
    seq            INTEGER NOT NULL
) STRICT;
CREATE INDEX leases_by_seq ON leases (seq);

-- What notices did to holds of a lease that end in the same second.
CREATE TABLE buckets (
    lease          INTEGER NOT NULL,
    ends           INTEGER NOT NULL,
    settled        INTEGER NOT NULL,
    charged        INTEGER NOT NULL,
    released       INTEGER NOT NULL,
    gone           INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    PRIMARY KEY (lease, ends)
) STRICT;
CREATE INDEX buckets_by_seq ON buckets (seq);

-- What notices would have cost above the budget: recorded, never billed.
ALTER TABLE notices ADD COLUMN uncovered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN uncovered INTEGER NOT NULL DEFAULT 0;

-- What was spent before there were accounts, of line items (3), campaigns (2) and advertisers (1), by day and for ever.
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 3, line_item, day, 0, 0, SUM(spent), 0 FROM tallies GROUP BY line_item, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 3, line_item, -2147483649, 0, 0, SUM(spent), 0 FROM tallies GROUP BY line_item;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 2, campaign, day, 0, 0, SUM(spent), 0 FROM tallies GROUP BY campaign, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 2, campaign, -2147483649, 0, 0, SUM(spent), 0 FROM tallies GROUP BY campaign;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 1, advertiser, day, 0, 0, SUM(spent), 0 FROM tallies GROUP BY advertiser, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 1, advertiser, -2147483649, 0, 0, SUM(spent), 0 FROM tallies GROUP BY advertiser;
