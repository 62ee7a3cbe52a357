-- Conversions, reports, and what the event log is told of.

-- Who saw it, in hexadecimal, for as long as a conversion may be attributed to it; only where consent allows to keep the key.
ALTER TABLE notices ADD COLUMN user_key TEXT;
ALTER TABLE notices ADD COLUMN quantity INTEGER NOT NULL DEFAULT 1000000;
CREATE INDEX notices_by_user ON notices (user_key, advertiser, kind, received) WHERE user_key IS NOT NULL;
CREATE INDEX notices_with_user ON notices (received) WHERE user_key IS NOT NULL;

-- What an event says of its bid. Rows of before have none of it.
ALTER TABLE quarantine ADD COLUMN creative INTEGER;
ALTER TABLE quarantine ADD COLUMN auction TEXT;
ALTER TABLE quarantine ADD COLUMN imp TEXT;
ALTER TABLE quarantine ADD COLUMN issued INTEGER;
ALTER TABLE quarantine ADD COLUMN max_price INTEGER;
ALTER TABLE quarantine ADD COLUMN currency TEXT;
ALTER TABLE quarantine ADD COLUMN quantity INTEGER;
ALTER TABLE quarantine ADD COLUMN budget_currency TEXT;
ALTER TABLE quarantine ADD COLUMN day INTEGER;

-- What advertisers' customers did, once for each (advertiser, reference). From `touched` to `day`: what it is attributed to, as far as it
-- is. `told_by`: the bid by whose click alone it was told; so many of them are taken.
CREATE TABLE conversions (
    seq             INTEGER PRIMARY KEY,
    advertiser      INTEGER NOT NULL,
    reference       TEXT NOT NULL,
    name            TEXT NOT NULL,
    happened        INTEGER NOT NULL,
    received        INTEGER NOT NULL,
    value           INTEGER,
    value_currency  TEXT,
    outcome         TEXT NOT NULL,
    attribution     TEXT NOT NULL,
    repeats         INTEGER NOT NULL DEFAULT 0,
    conflicts       INTEGER NOT NULL DEFAULT 0,
    touched         INTEGER,
    exchange        TEXT,
    bid             TEXT,
    campaign        INTEGER,
    line_item       INTEGER,
    creative        INTEGER,
    auction         TEXT,
    imp             TEXT,
    issued          INTEGER,
    max_price       INTEGER,
    currency        TEXT,
    quantity        INTEGER,
    budget_currency TEXT,
    day             INTEGER,
    told_by         TEXT,
    UNIQUE (advertiser, reference)
) STRICT;
CREATE INDEX conversions_by_teller ON conversions (told_by) WHERE told_by IS NOT NULL;
CREATE INDEX conversions_by_time ON conversions (advertiser, happened);

-- Sums of notices and conversions, kept in the same transaction. `day` and `hour` (whole hours since 1970, UTC) are the bid's.
CREATE TABLE report_tallies (
    line_item   INTEGER NOT NULL,
    creative    INTEGER NOT NULL,
    exchange    TEXT NOT NULL,
    currency    TEXT NOT NULL,
    day         INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    advertiser  INTEGER NOT NULL,
    campaign    INTEGER NOT NULL,
    spent       INTEGER NOT NULL,
    wins        INTEGER NOT NULL,
    billed      INTEGER NOT NULL,
    losses      INTEGER NOT NULL,
    imps        INTEGER NOT NULL,
    clicks      INTEGER NOT NULL,
    conversions INTEGER NOT NULL,
    by_view     INTEGER NOT NULL,
    PRIMARY KEY (line_item, creative, exchange, currency, day, hour, advertiser, campaign)
) STRICT;
CREATE INDEX report_tallies_by_advertiser ON report_tallies (advertiser, day, hour);
CREATE INDEX report_tallies_by_hour ON report_tallies (hour);

-- Lost bids by why, and by what would have won: at most so many percent of what was bid (0: nobody said; 1000000: more than all of them).
CREATE TABLE report_losses (
    line_item   INTEGER NOT NULL,
    exchange    TEXT NOT NULL,
    day         INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    reason      INTEGER NOT NULL,
    needed      INTEGER NOT NULL,
    advertiser  INTEGER NOT NULL,
    campaign    INTEGER NOT NULL,
    losses      INTEGER NOT NULL,
    PRIMARY KEY (line_item, exchange, day, hour, reason, needed, advertiser, campaign)
) STRICT;
CREATE INDEX report_losses_by_advertiser ON report_losses (advertiser, day, hour);

-- What was before there were these sums.
INSERT INTO report_tallies (line_item, creative, exchange, currency, day, hour, advertiser, campaign, spent, wins, billed, losses,
    imps, clicks, conversions, by_view)
SELECT line_item, creative, exchange, budget_currency, day, issued / 3600000000, advertiser, campaign, SUM(charged),
    SUM(CASE WHEN kind = 'win' THEN 1 ELSE 0 END), SUM(CASE WHEN outcome = 'billed' THEN 1 ELSE 0 END),
    SUM(CASE WHEN kind = 'loss' THEN 1 ELSE 0 END), SUM(CASE WHEN kind = 'imp' THEN 1 ELSE 0 END),
    SUM(CASE WHEN kind = 'click' THEN 1 ELSE 0 END), 0, 0
FROM notices WHERE outcome IN ('billed', 'not_billing')
GROUP BY line_item, creative, exchange, budget_currency, day, issued / 3600000000, advertiser, campaign;
INSERT INTO report_losses (line_item, exchange, day, hour, reason, needed, advertiser, campaign, losses)
SELECT line_item, exchange, day, issued / 3600000000, COALESCE(loss_reason, 0), CASE WHEN min_to_win IS NULL OR max_price <= 0 THEN 0
    WHEN min_to_win * 100 <= max_price * 100 THEN 100 WHEN min_to_win * 100 <= max_price * 110 THEN 110
    WHEN min_to_win * 100 <= max_price * 125 THEN 125 WHEN min_to_win * 100 <= max_price * 150 THEN 150
    WHEN min_to_win * 100 <= max_price * 200 THEN 200 WHEN min_to_win * 100 <= max_price * 300 THEN 300 ELSE 1000000 END, advertiser, campaign, COUNT(*)
FROM notices WHERE outcome = 'not_billing' AND kind = 'loss'
GROUP BY line_item, exchange, day, issued / 3600000000, COALESCE(loss_reason, 0), CASE WHEN min_to_win IS NULL OR max_price <= 0 THEN 0
    WHEN min_to_win * 100 <= max_price * 100 THEN 100 WHEN min_to_win * 100 <= max_price * 110 THEN 110
    WHEN min_to_win * 100 <= max_price * 125 THEN 125 WHEN min_to_win * 100 <= max_price * 150 THEN 150
    WHEN min_to_win * 100 <= max_price * 200 THEN 200 WHEN min_to_win * 100 <= max_price * 300 THEN 300 ELSE 1000000 END, advertiser, campaign;

-- The names under which the event log has the rows of this database: a new one begins when it was restored from a backup, after the rows
-- that there are then.
CREATE TABLE lives (
    number      INTEGER PRIMARY KEY,
    life        TEXT NOT NULL UNIQUE,
    notices     INTEGER NOT NULL,
    quarantine  INTEGER NOT NULL,
    conversions INTEGER NOT NULL
) STRICT;
INSERT INTO lives (number, life, notices, quarantine, conversions) VALUES (1, lower(hex(randomblob(8))), 0, 0, 0);
