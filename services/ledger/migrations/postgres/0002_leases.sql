-- Leases. Every transaction of a ledger takes the row of `head` first: so transactions have one order, `seq`, whichever
-- ledger they are of, and a ledger that remembers what it read as of `seq` reads only rows of later ones.
CREATE TABLE head (
    id             BIGINT PRIMARY KEY,
    seq            BIGINT NOT NULL,
    written        BIGINT NOT NULL,
    watermark      BIGINT NOT NULL,
    last_epoch     BIGINT NOT NULL,
    last_lease     BIGINT NOT NULL
);
INSERT INTO head (id, seq, written, watermark, last_epoch, last_lease)
VALUES (1, 0, -9223372036854775808, -9223372036854775808, 0, 0);

-- What is free follows from the limit and the rest. Day -2147483649: for ever.
CREATE TABLE accounts (
    owner_kind     BIGINT NOT NULL,
    owner          BIGINT NOT NULL,
    day            BIGINT NOT NULL,
    limit_nanos    BIGINT,
    leased         BIGINT NOT NULL,
    held           BIGINT NOT NULL,
    spent          BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    PRIMARY KEY (owner_kind, owner, day)
);
CREATE INDEX accounts_by_seq ON accounts (seq);

-- In these three `gone` is 1 for what is over, until every ledger has read it.
CREATE TABLE sessions (
    epoch          BIGINT PRIMARY KEY,
    valid_until    BIGINT NOT NULL,
    applied        BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX sessions_by_seq ON sessions (seq);

CREATE TABLE leases (
    id             BIGINT PRIMARY KEY,
    epoch          BIGINT NOT NULL,
    advertiser     BIGINT NOT NULL,
    campaign       BIGINT NOT NULL,
    line_item      BIGINT NOT NULL,
    day            BIGINT NOT NULL,
    day_ends       BIGINT NOT NULL,
    longest_hold_s BIGINT NOT NULL,
    granted        BIGINT NOT NULL,
    returned       BIGINT NOT NULL,
    charged        BIGINT NOT NULL,
    held           BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX leases_by_seq ON leases (seq);

-- What notices did to holds of a lease that end in the same second.
CREATE TABLE buckets (
    lease          BIGINT NOT NULL,
    ends           BIGINT NOT NULL,
    settled        BIGINT NOT NULL,
    charged        BIGINT NOT NULL,
    released       BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    PRIMARY KEY (lease, ends)
);
CREATE INDEX buckets_by_seq ON buckets (seq);

-- What notices would have cost above the budget: recorded, never billed.
ALTER TABLE notices ADD COLUMN uncovered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN uncovered BIGINT NOT NULL DEFAULT 0;

-- What was spent before there were accounts, of line items (3), campaigns (2) and advertisers (1), by day and for ever.
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 3, line_item, day, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY line_item, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 3, line_item, -2147483649, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY line_item;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 2, campaign, day, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY campaign, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 2, campaign, -2147483649, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY campaign;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 1, advertiser, day, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY advertiser, day;
INSERT INTO accounts (owner_kind, owner, day, leased, held, spent, seq)
SELECT 1, advertiser, -2147483649, 0, 0, CAST(SUM(spent) AS BIGINT), 0 FROM tallies GROUP BY advertiser;
