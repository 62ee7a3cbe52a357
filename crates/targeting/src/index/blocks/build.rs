//! Turning clauses into columns.

use super::combine::{LINE, Line};
use super::rows::{Row, TagNumbers};
use super::{Blocks, CHUNK, Column, Front, Subject};
use crate::dictionary::Dictionary;
use crate::index::lower::Literal;
use crate::index::processor::Wide;
use crate::index::rows::SetTest;
use crate::index::veto::{self, VetoMask};
use crate::language::TagKind;
use crate::program::{Pools, Test};
use crate::{HoursOfWeek, Slot};

/// Larger sets are verified instead: they are shared by many records as a rule, and columns do not share.
const MOST_VALUES: usize = 64;
/// Larger sets of tags are, too.
const MOST_TAGS: usize = 1_024;
/// A row is bits from one place in so many on. A list would take less room up to one in 16, but adding its places one
/// by one takes longer: from one in 32, a search for all of the broad workload took more than twice as long.
const DENSE_FROM: usize = 128;

/// Gathers the broad records and their clauses.
#[derive(Debug, Default)]
pub(in crate::index) struct BlocksBuilder {
    columns: Vec<Wanted>,
    records: Vec<u32>,
    fronts: Vec<Front>,
    direct: Vec<Line>,
    clauses: Vec<Clause>,
}

/// What a column will be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    subject: Subject,
    refuses: bool,
    /// Which of the wanting clauses of a record about the same subject.
    nth: u8,
}

/// A clause of a record that a column takes.
#[derive(Clone, Copy, Debug)]
struct Clause {
    place: u32,
    column: u32,
    values: Named,
}

/// Which of its column's rows a clause is about.
#[derive(Clone, Copy, Debug)]
enum Named {
    By(Test),
    Vetoes(VetoMask),
}

/// Some columns exclude, so a record may have more than one clause there; of audiences many have two.
fn most_clauses(subject: Subject, refuses: bool) -> u8 {
    if !refuses && subject == Subject::Tags { 2 } else { 1 }
}

impl BlocksBuilder {
    /// What is known of the record added last once its words are written.
    pub(in crate::index) fn complete(&mut self, slot: Slot, sets: [SetTest; 2], direct: bool) {
        let place = self.fronts.len();
        self.fronts.push(Front { sets, slot });
        if place.is_multiple_of(LINE) {
            self.direct.push(Line::NONE);
        }
        if let Some(line) = self.direct.last_mut().filter(|_| direct) {
            line.set(place % LINE);
        }
    }

    /// Adds a record that these vetoes could refuse, and calls back with each literal that the columns decide.
    pub(in crate::index) fn add(
        &mut self,
        record: u32,
        literals: &[Literal],
        vetoes: VetoMask,
        pools: &Pools,
        mut decided: impl FnMut(usize),
    ) -> Option<()> {
        let place = u32::try_from(self.records.len()).ok()?;
        self.records.push(record);
        let own = self.clauses.len();
        for (index, literal) in literals.iter().enumerate() {
            let Some(subject) = subject(literal.test, pools) else { continue };
            let refuses = literal.negated;
            let taken = |column: u32| {
                let own = self.clauses.get(own..).unwrap_or_default();
                !refuses && own.iter().any(|clause| clause.column == column)
            };
            let column = (0..most_clauses(subject, refuses)).find_map(|nth| {
                let column = column(&mut self.columns, Wanted { subject, refuses, nth });
                (!taken(column)).then_some(column)
            });
            if let Some(column) = column {
                self.clauses.push(Clause { place, column, values: Named::By(literal.test) });
                decided(index);
            }
        }
        if vetoes != 0 {
            let column =
                column(&mut self.columns, Wanted { subject: Subject::Vetoes, refuses: true, nth: 0 });
            self.clauses.push(Clause { place, column, values: Named::Vetoes(vetoes) });
        }
        Some(())
    }

    /// `None` when the rows are too large for their numbers.
    pub(in crate::index) fn finish(self, dictionary: &Dictionary, pools: &Pools) -> Option<Blocks> {
        let tests = self.clauses.iter().filter_map(|clause| match clause.values {
            Named::By(Test::Tag(at)) => Some(pools.tags_of(at)),
            _ => None,
        });
        let tags = TagNumbers::new(tests.flatten().copied().collect())?;
        let (columns, rows_a_chunk) = lay_out(&self.columns, &tags, dictionary)?;
        let chunks = self.records.len().div_ceil(CHUNK);
        let mut blocks = Blocks {
            tag_columns: columns.iter().filter(|column| column.subject == Subject::Tags).count(),
            columns,
            rows: vec![Row::default(); rows_a_chunk.checked_mul(chunks)?],
            rows_a_chunk,
            records: self.records,
            fronts: self.fronts,
            direct: self.direct,
            tags,
            wide: Wide::find(),
            ..Blocks::default()
        };
        blocks.fill(&self.clauses, pools)?;
        // What is cheap and refuses much comes first.
        let cost = |subject| match subject {
            Subject::Values(_) | Subject::Hour => 0,
            Subject::Vetoes => 1,
            Subject::Tags => 2,
        };
        blocks.columns.sort_by_key(|column| (cost(column.subject), column.refuses));
        blocks.records.shrink_to_fit();
        blocks.fronts.shrink_to_fit();
        blocks.direct.shrink_to_fit();
        blocks.dense.shrink_to_fit();
        blocks.sparse.shrink_to_fit();
        Some(blocks)
    }
}

fn column(columns: &mut Vec<Wanted>, wanted: Wanted) -> u32 {
    let at = columns.iter().position(|own| *own == wanted).unwrap_or_else(|| {
        columns.push(wanted);
        columns.len() - 1
    });
    at as u32
}

/// What a test is about, if a column can take it.
fn subject(test: Test, pools: &Pools) -> Option<Subject> {
    match test {
        Test::Few(dimension, _) | Test::One(dimension, _) => Some(Subject::Values(dimension)),
        Test::In(dimension, span) => {
            (pools.span(span).len() <= MOST_VALUES).then_some(Subject::Values(dimension))
        }
        Test::Hour(_) => Some(Subject::Hour),
        Test::Tag(at) => {
            let gate = pools.tags.get(at as usize)?.gate;
            let plain = gate.kind == TagKind::Any && gate.min_weight == 0 && gate.max_age_s.is_none();
            (plain && pools.tags_of(at).len() <= MOST_TAGS).then_some(Subject::Tags)
        }
        _ => None,
    }
}

/// Gives the columns their rows. Those of a tag stand together and first, because most requests have many tags.
fn lay_out(wanted: &[Wanted], tags: &TagNumbers, dictionary: &Dictionary) -> Option<(Vec<Column>, usize)> {
    let of_tags = wanted.iter().filter(|wanted| wanted.subject == Subject::Tags).count();
    let mut rows = tags.len() * of_tags;
    let mut tag_columns = 0..of_tags;
    let mut columns = Vec::with_capacity(wanted.len());
    for Wanted { subject, refuses, .. } in wanted {
        let mut take = |count: usize| {
            rows += count;
            rows - count
        };
        let (first, step, values) = match subject {
            Subject::Values(dimension) => {
                let values = dictionary.count(*dimension) as usize;
                (take(values), 1, values)
            }
            Subject::Hour => (take(usize::from(HoursOfWeek::HOURS)), 1, usize::from(HoursOfWeek::HOURS)),
            Subject::Tags => (tag_columns.next()?, of_tags, tags.len()),
            Subject::Vetoes => (take(veto::MOST), 1, veto::MOST),
        };
        let other = take(1);
        columns.push(Column { subject: *subject, refuses: *refuses, first, step, values, other });
    }
    Some((columns, rows))
}

impl Blocks {
    fn fill(&mut self, clauses: &[Clause], pools: &Pools) -> Option<()> {
        let (mut values, mut counts) = (Vec::new(), vec![0; self.rows.len()]);
        for clause in clauses {
            let rows = self.rows_of(clause, pools, &mut values)?;
            for row in &values {
                *counts.get_mut(rows + row)? += 1;
            }
        }
        self.make_room(&counts)?;
        drop(counts);
        for clause in clauses {
            let rows = self.rows_of(clause, pools, &mut values)?;
            for row in &values {
                self.add(rows + row, clause.place as usize % CHUNK)?;
            }
        }
        self.accept_the_free()
    }

    /// The rows that get the place of a clause, within the chunk whose rows begin at the number returned.
    fn rows_of(&self, clause: &Clause, pools: &Pools, rows: &mut Vec<usize>) -> Option<usize> {
        let column = self.columns.get(clause.column as usize)?;
        rows.clear();
        let mut value = |value: u32| rows.push(column.first + value as usize * column.step);
        match clause.values {
            Named::Vetoes(mask) => veto::numbers(mask).for_each(value),
            Named::By(Test::Hour(at)) => {
                pools.hours.get(at as usize)?.iter().for_each(|hour| value(u32::from(hour)));
            }
            Named::By(Test::Tag(at)) => {
                pools.tags_of(at).iter().filter_map(|tag| self.tags.number(*tag)).for_each(value);
            }
            Named::By(test) => pools.each_value(test, |_, id| value(id)),
        }
        rows.push(column.other);
        Some(clause.place as usize / CHUNK * self.rows_a_chunk)
    }

    /// Decides between bits and lists.
    fn make_room(&mut self, counts: &[usize]) -> Option<()> {
        let wanting: Vec<_> = self.columns.iter().filter(|c| !c.refuses).map(|column| column.other).collect();
        let rows_a_chunk = self.rows_a_chunk.max(1);
        let chunks = self.rows.chunks_mut(rows_a_chunk).zip(counts.chunks(rows_a_chunk));
        for (chunk, (rows, counts)) in chunks.enumerate() {
            let places = (self.records.len() - chunk * CHUNK).min(CHUNK);
            for (number, (row, room)) in rows.iter_mut().zip(counts).enumerate() {
                if *room > 0 && room * DENSE_FROM >= places || wanting.contains(&number) {
                    *row = Row { start: u32::try_from(self.dense.len()).ok()?, len: Row::DENSE, first: 0 };
                    self.dense.resize(self.dense.len() + places.div_ceil(LINE), Line::NONE);
                } else {
                    *row = Row { start: u32::try_from(self.sparse.len()).ok()?, len: 0, first: 0 };
                    self.sparse.resize(self.sparse.len() + room, 0);
                }
            }
        }
        Some(())
    }

    fn add(&mut self, row: usize, place: usize) -> Option<()> {
        let row = self.rows.get_mut(row)?;
        let start = row.start as usize;
        if row.is_dense() {
            self.dense.get_mut(start + place / LINE)?.set(place % LINE);
        } else {
            let place = u16::try_from(place).ok()?;
            *self.sparse.get_mut(start + usize::from(row.len))? = place;
            row.first = if row.len == 0 { place } else { row.first };
            row.len += 1;
        }
        Some(())
    }

    /// Turns the places that have a wanting clause into those that do not, and adds them to the bits of every value.
    fn accept_the_free(&mut self) -> Option<()> {
        for (chunk, start) in (0..self.rows.len()).step_by(self.rows_a_chunk.max(1)).enumerate() {
            let lines = (self.records.len() - chunk * CHUNK).min(CHUNK).div_ceil(LINE);
            for column in self.columns.iter().filter(|column| !column.refuses) {
                let other = self.rows.get(start + column.other)?.start as usize;
                for line in self.dense.get_mut(other..other + lines)? {
                    line.invert();
                }
                for value in 0..column.values {
                    let row = *self.rows.get(start + column.first + value * column.step)?;
                    if row.is_dense() {
                        for at in 0..lines {
                            let free = *self.dense.get(other + at)?;
                            let own = self.dense.get_mut(row.start as usize + at)?;
                            *own = own.or(free);
                        }
                    }
                }
            }
        }
        Some(())
    }
}
