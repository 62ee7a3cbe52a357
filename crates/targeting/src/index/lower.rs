//! From expressions to conjunctions of literals.

use hashbrown::HashMap;

use crate::Expr;
use crate::compile::Compiler;
use crate::program::{Pools, Test};

/// Most conjunctions that one item is expanded to; beyond, it keeps its expression as a program to verify.
const MOST_CONJUNCTIONS: usize = 8;

/// A test that must be certainly true, or when negated certainly false.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal {
    pub(super) test: Test,
    pub(super) negated: bool,
}

/// Every different literal with how many times it comes, in the order of first sight: hundreds of line items share a list
/// that may name a hundred thousand values, so a build must look at its values once.
pub(super) fn counted<'l>(literals: impl Iterator<Item = &'l Literal>) -> Vec<(Literal, u32)> {
    let (mut places, mut counted) = (HashMap::new(), Vec::new());
    for literal in literals {
        let place = *places.entry((literal.test, literal.negated)).or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, times)) => *times += 1,
            None => counted.push((*literal, 1)),
        }
    }
    counted
}

/// An expression with its negations pushed down to the leaves and its constants folded. Only certain truth matters
/// for a match, so what can never be known is as good as false, under a negation too.
#[derive(Clone, Debug)]
pub(super) enum Node {
    True,
    False,
    Literal(Literal),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Node {
    /// `None` when a pool is full. The expression must be within the limits.
    pub(super) fn lower<'e>(compiler: &mut Compiler<'_, 'e>, expr: &'e Expr, negated: bool) -> Option<Self> {
        Some(match (expr, negated) {
            (Expr::All(parts), false) | (Expr::Any(parts), true) => {
                Self::all(Self::parts(compiler, parts, negated)?)
            }
            (Expr::Any(parts), false) | (Expr::All(parts), true) => {
                Self::any(Self::parts(compiler, parts, negated)?)
            }
            (Expr::Not(part), _) => Self::lower(compiler, part, !negated)?,
            (Expr::Leaf(leaf), _) => {
                let test = compiler.leaf(leaf)?;
                Self::literal(Literal { test, negated }, compiler.pools())
            }
        })
    }

    fn parts<'e>(compiler: &mut Compiler<'_, 'e>, parts: &'e [Expr], negated: bool) -> Option<Vec<Self>> {
        parts.iter().map(|part| Self::lower(compiler, part, negated)).collect()
    }

    pub(super) fn literal(literal: Literal, pools: &Pools) -> Self {
        match literal.test {
            Test::Unknown => Self::False,
            test if pools.never_holds(test) && literal.negated => Self::True,
            test if pools.never_holds(test) => Self::False,
            _ => Self::Literal(literal),
        }
    }

    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::True,
            1 => flat.pop().unwrap_or(Self::True),
            _ => Self::All(flat),
        }
    }

    fn any(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::False,
            1 => flat.pop().unwrap_or(Self::False),
            _ => Self::Any(flat),
        }
    }

    /// The disjunctive form, or `None` when it has too many conjunctions.
    pub(super) fn conjunctions(&self) -> Option<Vec<Vec<Literal>>> {
        let mut done = match self {
            Self::True => vec![vec![]],
            Self::False => vec![],
            Self::Literal(literal) => vec![vec![*literal]],
            Self::Any(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.append(&mut part.conjunctions()?);
                    if all.len() > MOST_CONJUNCTIONS {
                        return None;
                    }
                }
                all
            }
            Self::All(parts) => Self::product(parts)?,
        };
        done.shrink_to_fit();
        Some(done)
    }

    fn product(parts: &[Self]) -> Option<Vec<Vec<Literal>>> {
        let mut all = vec![Vec::with_capacity(parts.len())];
        for part in parts {
            if let Self::Literal(literal) = part {
                all.iter_mut().for_each(|so_far| so_far.push(*literal));
                continue;
            }
            let factor = part.conjunctions()?;
            if all.len() * factor.len() > MOST_CONJUNCTIONS {
                return None;
            }
            let with = |so_far: &Vec<Literal>| {
                factor.iter().map(|more| [so_far.as_slice(), more].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
        }
        Some(all)
    }

    /// The literals that hold whenever the expression does.
    pub(super) fn certain(&self) -> Vec<Literal> {
        match self {
            Self::Literal(literal) => vec![*literal],
            Self::All(parts) => parts.iter().flat_map(Self::certain).collect(),
            Self::True | Self::False | Self::Any(_) => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dimension;
    use crate::program::Span;

    #[test]
    fn what_many_line_items_ask_is_counted_once() {
        let list = Test::In(Dimension::Domain, Span { start: 7, len: 100_000 });
        let one = Test::One(Dimension::Domain, 3);
        let literals = [(list, true), (one, false), (list, true), (list, false), (list, true)];
        let literals = literals.map(|(test, negated)| Literal { test, negated });
        let counted = counted(literals.iter());
        let counted: Vec<_> = counted.iter().map(|(l, times)| (l.test, l.negated, *times)).collect();
        assert_eq!(counted, [(list, true, 3), (one, false, 1), (list, false, 1)]);
    }
}
