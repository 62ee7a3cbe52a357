//! Which tags and datasets exist, and whose they are.

use std::sync::Arc;

use tagbid_catalog::{Dataset, TagDefinition};
use tagbid_types::{DatasetId, TagId};

/// The registry as the catalog has it now. Answers at once, from memory.
pub trait TagRegistry: Send + Sync + 'static {
    /// The tag, archived ones included; none: it was never defined.
    fn tag(&self, id: TagId) -> Option<Arc<TagDefinition>>;

    /// The dataset, archived ones included; none: it was never defined.
    fn dataset(&self, id: DatasetId) -> Option<Arc<Dataset>>;
}
