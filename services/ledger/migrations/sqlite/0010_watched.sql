-- For how many microseconds of each quarter hour since 1970 a ledger was looking for traffic: what nobody wanted then leaves no row in `traffic`.
CREATE TABLE watched (
    quarter INTEGER PRIMARY KEY,
    micros  INTEGER NOT NULL
) STRICT;
