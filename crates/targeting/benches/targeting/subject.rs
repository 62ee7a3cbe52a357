//! What is measured, behind one interface.

use a_tree::{ATree, Event};
use bumpalo::Bump;
use tagbid_targeting::{Attributes, Dimension, Engine, LiveSet, Slot};

use crate::second::{Form, Schema};

/// Answers requests by their number.
pub(crate) trait Subject {
    /// Shows every slot of the answer. What it needs comes from the arena.
    fn answer(&self, request: usize, arena: &Bump, visit: impl FnMut(Slot));

    /// The slots of the answer, in the order that they come in.
    fn slots(&self, request: usize) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.answer(request, &Bump::new(), |slot| slots.push(slot));
        slots
    }
}

/// An engine of ours, and what it is asked. Every line item is live.
pub(crate) struct Searched<'s, E> {
    pub(crate) engine: &'s E,
    pub(crate) requests: &'s [Attributes<'s>],
    pub(crate) live: &'s LiveSet,
}

/// Every match.
pub(crate) struct All<'s, E>(pub(crate) &'s Searched<'s, E>);

/// The ten matches of the highest bounds.
pub(crate) struct Top10<'s, E>(pub(crate) &'s Searched<'s, E>);

/// Resolving the request alone.
pub(crate) struct Resolving<'s, E>(pub(crate) &'s Searched<'s, E>);

impl<E: Engine> Subject for All<'_, E> {
    fn answer(&self, request: usize, arena: &Bump, visit: impl FnMut(Slot)) {
        let probe = self.0.engine.probe(&self.0.requests[request], arena);
        self.0.engine.all(&probe, self.0.live, arena, visit);
    }
}

impl<E: Engine> Subject for Top10<'_, E> {
    fn answer(&self, request: usize, arena: &Bump, mut visit: impl FnMut(Slot)) {
        let probe = self.0.engine.probe(&self.0.requests[request], arena);
        let best = self.0.engine.candidates(&probe, self.0.live, arena).take(10);
        best.for_each(|candidate| visit(candidate.slot));
    }
}

impl<E: Engine> Subject for Resolving<'_, E> {
    fn answer(&self, request: usize, arena: &Bump, _visit: impl FnMut(Slot)) {
        std::hint::black_box(self.0.engine.probe(&self.0.requests[request], arena));
    }
}

/// The workloads' dimensions in `a-tree`.
pub(crate) const SCHEMA: Schema = Schema(&[
    (Dimension::Country, Form::Number),
    (Dimension::Region, Form::Number),
    (Dimension::City, Form::Number),
    (Dimension::DeviceType, Form::Number),
    (Dimension::Os, Form::Number),
    (Dimension::Browser, Form::Number),
    (Dimension::Site, Form::Number),
    (Dimension::Size, Form::Number),
    (Dimension::Language, Form::Number),
    (Dimension::Connection, Form::Number),
    (Dimension::Exchange, Form::Number),
    (Dimension::Category, Form::Numbers),
    (Dimension::Deal, Form::Numbers),
]);

/// The `a-tree` crate with events made beforehand.
pub(crate) struct SecondOracle {
    pub(crate) tree: ATree<u32>,
    pub(crate) events: Vec<Event>,
}

impl Subject for SecondOracle {
    fn answer(&self, request: usize, _arena: &Bump, mut visit: impl FnMut(Slot)) {
        let report = self.tree.search(&self.events[request]).unwrap();
        report.matches().iter().for_each(|slot| visit(Slot(**slot)));
    }
}
