-- What is learnt of line items' bids for their pace, as a ledger last wrote it. `gone` is never set.
CREATE TABLE paces (
    line_item      BIGINT PRIMARY KEY,
    as_of          BIGINT NOT NULL,
    spent          BIGINT NOT NULL,
    fresh          BIGINT NOT NULL,
    slow_matured   BIGINT NOT NULL,
    slow_charged   BIGINT NOT NULL,
    quick_matured  BIGINT NOT NULL,
    quick_charged  BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX paces_by_seq ON paces (seq);

-- What bids wanted of line items that are paced by the shape of their traffic, by quarter hour of the budget day.
CREATE TABLE traffic (
    line_item      BIGINT NOT NULL,
    day            BIGINT NOT NULL,
    quarter        BIGINT NOT NULL,
    wanted         BIGINT NOT NULL,
    PRIMARY KEY (line_item, day, quarter)
);
CREATE INDEX traffic_by_day ON traffic (day);
