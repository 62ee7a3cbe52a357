-- For how many microseconds of each quarter hour since 1970 a ledger was looking for traffic: what nobody wanted then leaves no row in `traffic`.
CREATE TABLE watched (
    quarter BIGINT PRIMARY KEY,
    micros  BIGINT NOT NULL
);
