-- What stands where the price of a suspect notice belongs, if it cannot be read.
ALTER TABLE quarantine ADD COLUMN said TEXT;
