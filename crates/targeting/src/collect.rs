//! From what an exchange sent to [`Attributes`]: normalised, parents spelled out, duplicates and empties gone.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::normalise::{categories, domains, keywords};
use crate::{Attributes, Dimension, normalise};

/// Gathers the values of one request, or of one impression on top of its request, into an arena.
#[derive(Debug)]
pub struct Collector<'a> {
    arena: &'a Bump,
    values: [Vec<'a, &'a str>; Dimension::COUNT],
}

impl<'a> Collector<'a> {
    /// With nothing gathered yet; allocates only when something is.
    pub fn new(arena: &'a Bump) -> Self {
        Self { arena, values: std::array::from_fn(|_| Vec::new_in(arena)) }
    }

    /// Adds a value as the exchange sent it. A domain brings its parent domains, a category its parent tier, and
    /// a text of keywords is split at its commas. Text of which nothing is left is not added.
    pub fn add(&mut self, dimension: Dimension, raw: &'a str) {
        match dimension {
            Dimension::Keyword => {
                for word in keywords(raw, self.arena) {
                    self.push(dimension, word);
                }
            }
            Dimension::Domain => {
                for name in domains(normalise(dimension, raw, self.arena)) {
                    self.push(dimension, name);
                }
            }
            Dimension::Category => {
                for category in categories(normalise(dimension, raw, self.arena)) {
                    self.push(dimension, category);
                }
            }
            _ => self.push(dimension, normalise(dimension, raw, self.arena)),
        }
    }

    /// Adds a value that is already in its normal form, such as a constant or a name made by
    /// [`region`](crate::region).
    pub fn push(&mut self, dimension: Dimension, normal: &'a str) {
        if let Some(values) = self.values.get_mut(dimension as usize)
            && !normal.is_empty()
        {
            values.push(normal);
        }
    }

    /// Adds a size in device-independent pixels.
    pub fn push_size(&mut self, width: u32, height: u32) {
        let size = bumpalo::format!(in self.arena, "{}x{}", width, height).into_bump_str();
        self.push(Dimension::Size, size);
    }

    /// Sets every dimension for which something was gathered, sorted and without duplicates; the others stay as
    /// they are.
    pub fn finish(self, attributes: &mut Attributes<'a>) {
        for (dimension, mut values) in Dimension::ALL.into_iter().zip(self.values) {
            if !values.is_empty() {
                // Here rather than at each push: a body full of one-letter keywords must not cost their square.
                values.sort_unstable();
                values.dedup();
                attributes.set(dimension, values.into_bump_slice());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_exchange_sent_becomes_sets_of_normal_values() {
        let arena = Bump::new();
        let mut collector = Collector::new(&arena);
        collector.add(Dimension::Domain, "www.News.example.com");
        collector.add(Dimension::Domain, "example.com");
        collector.add(Dimension::Category, "IAB1-2");
        collector.add(Dimension::Category, "IAB1-3");
        collector.add(Dimension::Keyword, "Shoes, ,shoes,Running  Gear");
        collector.add(Dimension::City, "  ");
        collector.push_size(300, 250);
        let mut attributes = Attributes::default();
        collector.finish(&mut attributes);
        assert_eq!(attributes.values(Dimension::Domain), ["example.com", "news.example.com"]);
        assert_eq!(attributes.values(Dimension::Category), ["iab1", "iab1-2", "iab1-3"]);
        assert_eq!(attributes.values(Dimension::Keyword), ["running gear", "shoes"]);
        assert_eq!(attributes.values(Dimension::Size), ["300x250"]);
        assert!(attributes.values(Dimension::City).is_empty());
    }

    #[test]
    fn an_impression_keeps_what_its_request_had() {
        let arena = Bump::new();
        let mut attributes = Attributes::default();
        let mut request = Collector::new(&arena);
        request.add(Dimension::Country, "DE");
        request.finish(&mut attributes);
        let mut impression = Collector::new(&arena);
        impression.push(Dimension::Format, "banner");
        impression.finish(&mut attributes);
        assert_eq!(attributes.values(Dimension::Country), ["deu"]);
        assert_eq!(attributes.values(Dimension::Format), ["banner"]);
    }
}
