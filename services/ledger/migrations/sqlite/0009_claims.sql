-- Conversions that were told with the id of a click and no credential have references within that click's bid; what they claimed stands
-- beside them.
ALTER TABLE conversions ADD COLUMN claimed TEXT;
UPDATE conversions SET claimed = reference, reference = ':public:' || told_by || ':' || reference WHERE told_by IS NOT NULL;
CREATE INDEX conversions_by_claim ON conversions (advertiser, claimed) WHERE claimed IS NOT NULL;
