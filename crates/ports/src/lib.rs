//! What the roles ask of each other: traits and their plain types.
