//! Every engine under test. A new one is a [`Subject`] here and a line in [`every_engine`].

use tagbid_targeting::{Attributes, Engine, Index, Item, Layered, Lists, Refused, Scan, Slot, Traffic};

use crate::model::LineItem;

/// An engine, and how it takes changes.
pub(crate) trait Subject: Sized {
    type Engine: Engine;

    /// From a whole catalog; `observed` is what an engine may learn popularity from, and must not change answers.
    fn build(items: &[LineItem], lists: &Lists<'_>, observed: &[Attributes<'_>]) -> (Self, Vec<Refused>);

    /// After some items were added or replaced and some slots emptied; `items` is the whole catalog then. The engine
    /// before the change stays as it was. Engines that take no changes are built anew.
    fn changed(
        &self,
        items: &[LineItem],
        _changed: &[LineItem],
        _removed: &[Slot],
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        Self::build(items, lists, &[])
    }

    fn engine(&self) -> &Self::Engine;
}

/// Runs a function that is generic over [`Subject`] for each of them.
macro_rules! every_engine {
    ($run:ident($($argument:expr),* $(,)?)) => {{
        $run::<crate::engines::Scanned>($($argument),*);
        $run::<crate::engines::Indexed>($($argument),*);
        $run::<crate::engines::IndexedWithoutSimd>($($argument),*);
        $run::<crate::engines::InBlocks>($($argument),*);
        $run::<crate::engines::InBlocksWithoutSimd>($($argument),*);
        $run::<crate::engines::Layers>($($argument),*);
    }};
}
pub(crate) use every_engine;

/// The plain scan, built anew for each change.
pub(crate) struct Scanned(Scan);

impl Subject for Scanned {
    type Engine = Scan;

    fn build(items: &[LineItem], lists: &Lists<'_>, _observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let (scan, refused) = Scan::build(items.iter().map(LineItem::as_item), lists);
        (Self(scan), refused)
    }

    fn changed(
        &self,
        items: &[LineItem],
        changed: &[LineItem],
        _removed: &[Slot],
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let (scan, mut refused) = Self::build(items, lists, &[]);
        refused.retain(|refused| changed.iter().any(|item| item.slot == refused.slot));
        (scan, refused)
    }

    fn engine(&self) -> &Scan {
        &self.0
    }
}

impl LineItem {
    pub(crate) fn as_item(&self) -> Item<'_> {
        Item {
            slot: self.slot,
            targeting: &self.targeting,
            bound: self.bound,
            class: self.class(),
            raises: self.raises.clone(),
            tests: self.tests.iter().collect(),
        }
    }
}

/// The compiled index, built anew for each change.
pub(crate) struct Indexed(Index);

impl Subject for Indexed {
    type Engine = Index;

    fn build(items: &[LineItem], lists: &Lists<'_>, observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let mut traffic = Traffic::default();
        // Often enough to be believed.
        (0..200).for_each(|_| observed.iter().for_each(|request| traffic.observe(request)));
        let (index, refused) = Index::build(items.iter().map(LineItem::as_item), lists, &traffic);
        (Self(index), refused)
    }

    fn engine(&self) -> &Index {
        &self.0
    }
}

/// The compiled index on the path of processors without AVX2.
pub(crate) struct IndexedWithoutSimd(Index);

impl Subject for IndexedWithoutSimd {
    type Engine = Index;

    fn build(items: &[LineItem], lists: &Lists<'_>, observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let (Indexed(index), refused) = Indexed::build(items, lists, observed);
        (Self(index.without_simd()), refused)
    }

    fn engine(&self) -> &Index {
        &self.0
    }
}

/// The compiled index with every item in blocks that can be there.
pub(crate) struct InBlocks(Index);

impl Subject for InBlocks {
    type Engine = Index;

    fn build(items: &[LineItem], lists: &Lists<'_>, _observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let items = items.iter().map(LineItem::as_item);
        let (index, refused) = Index::build_in_blocks(items, lists, &Traffic::default());
        (Self(index), refused)
    }

    fn engine(&self) -> &Index {
        &self.0
    }
}

/// And on the path of processors without AVX2.
pub(crate) struct InBlocksWithoutSimd(Index);

impl Subject for InBlocksWithoutSimd {
    type Engine = Index;

    fn build(items: &[LineItem], lists: &Lists<'_>, observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let (InBlocks(index), refused) = InBlocks::build(items, lists, observed);
        (Self(index.without_simd()), refused)
    }

    fn engine(&self) -> &Index {
        &self.0
    }
}

/// The index with levels of changes above it.
pub(crate) struct Layers(Layered);

impl Subject for Layers {
    type Engine = Layered;

    fn build(items: &[LineItem], lists: &Lists<'_>, observed: &[Attributes<'_>]) -> (Self, Vec<Refused>) {
        let (Indexed(index), refused) = Indexed::build(items, lists, observed);
        (Self(Layered::new(index)), refused)
    }

    fn changed(
        &self,
        _items: &[LineItem],
        changed: &[LineItem],
        removed: &[Slot],
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let (layered, refused) = self.0.with(changed.iter().map(LineItem::as_item), removed, lists);
        (Self(layered), refused)
    }

    fn engine(&self) -> &Layered {
        &self.0
    }
}
