-- Runs once, when the volume is new: a database for each role that keeps one.
CREATE DATABASE catalog;
CREATE DATABASE ledger;
