//! How large an expression may be. Beyond these it is refused, by [`validate`](crate::validate) with words and by
//! an engine's build without.

use crate::{Expr, Leaf};

/// Deepest nesting; a leaf alone has depth 1.
pub const MAX_DEPTH: usize = 16;
/// Most nodes in one expression, leaves included.
pub const MAX_NODES: usize = 2_000;
/// Most values, circles or tags in one leaf. Larger sets belong in a shared list.
pub const MAX_VALUES: usize = 10_000;
/// Longest value in bytes.
pub const MAX_VALUE_BYTES: usize = 256;
/// Largest radius of a circle in metres.
pub const MAX_RADIUS_M: u32 = 5_000_000;

/// Whether depth, nodes and values are within the limits. Stops at the first excess, so that an expression of any
/// depth is safe to ask about.
pub(crate) fn within_limits(expr: &Expr) -> bool {
    let mut nodes = 0;
    measure(expr, 1, &mut nodes)
}

fn measure(expr: &Expr, depth: usize, nodes: &mut usize) -> bool {
    *nodes += 1;
    if depth > MAX_DEPTH || *nodes > MAX_NODES {
        return false;
    }
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().all(|part| measure(part, depth + 1, nodes)),
        Expr::Not(part) => measure(part, depth + 1, nodes),
        Expr::Leaf(leaf) => leaf_len(leaf) <= MAX_VALUES,
    }
}

/// How many values, circles or tags a leaf names.
pub(crate) fn leaf_len(leaf: &Leaf) -> usize {
    match leaf {
        Leaf::In { values, .. } => values.len(),
        Leaf::Near(circles) => circles.len(),
        Leaf::Tag(test) => test.any_of.len(),
        Leaf::Present(_) | Leaf::OnList { .. } | Leaf::OsVersion(_) | Leaf::Hour(_) => 1,
    }
}
