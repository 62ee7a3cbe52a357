-- What is learnt of line items' bids for their pace, as a ledger last wrote it. `gone` is never set.
CREATE TABLE paces (
    line_item      INTEGER PRIMARY KEY,
    as_of          INTEGER NOT NULL,
    spent          INTEGER NOT NULL,
    fresh          INTEGER NOT NULL,
    slow_matured   INTEGER NOT NULL,
    slow_charged   INTEGER NOT NULL,
    quick_matured  INTEGER NOT NULL,
    quick_charged  INTEGER NOT NULL,
    gone           INTEGER NOT NULL,
    seq            INTEGER NOT NULL
) STRICT;
CREATE INDEX paces_by_seq ON paces (seq);

-- What bids wanted of line items that are paced by the shape of their traffic, by quarter hour of the budget day.
CREATE TABLE traffic (
    line_item      INTEGER NOT NULL,
    day            INTEGER NOT NULL,
    quarter        INTEGER NOT NULL,
    wanted         INTEGER NOT NULL,
    PRIMARY KEY (line_item, day, quarter)
) STRICT;
CREATE INDEX traffic_by_day ON traffic (day);
