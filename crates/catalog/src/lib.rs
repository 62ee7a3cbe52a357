//! What advertisers configure: entities, validation, revisions.
