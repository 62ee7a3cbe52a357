-- The tag registry: who may see whose datasets.

-- Advertisers that may see a dataset besides its owner, 0: every one.
CREATE TABLE grants (
    dataset BIGINT NOT NULL,
    advertiser BIGINT NOT NULL,
    PRIMARY KEY (advertiser, dataset)
);
CREATE INDEX grants_by_dataset ON grants (dataset);
INSERT INTO grants (dataset, advertiser) SELECT id, 0 FROM entities WHERE kind = 'dataset' AND owner = 0;
