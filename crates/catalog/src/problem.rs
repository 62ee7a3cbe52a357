//! What is wrong with an entity, field by field, so that a caller can repair everything at once.

use std::fmt::{self, Display};

/// A field that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Path in the API's words: "line_item.bid.max_cpm_micros".
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.remedy)
    }
}

/// Gathers problems on a walk through an entity. Of each field the first is kept: what follows from it on the same
/// field would only confuse.
#[derive(Clone, Debug, Default)]
pub struct Report {
    path: String,
    problems: Vec<FieldProblem>,
}

impl Report {
    /// The most problems that one report keeps; nobody repairs more in one go.
    pub const MAX: usize = 100;

    /// An empty report on a field of a request, such as "line_item".
    pub fn on(root: &str) -> Self {
        Self { path: root.to_owned(), problems: Vec::new() }
    }

    /// Notes a problem with a field of what is being walked; an empty field means the thing itself.
    pub fn problem(&mut self, field: impl Display, problem: impl Display, remedy: impl Display) {
        let length = self.enter(&field.to_string());
        let known = self.problems.iter().any(|p| p.field == self.path);
        if !known && self.problems.len() < Self::MAX {
            self.problems.push(FieldProblem {
                field: self.path.clone(),
                problem: problem.to_string(),
                remedy: remedy.to_string(),
            });
        }
        self.path.truncate(length);
    }

    /// Walks into a field: problems noted by `walk` carry its name in front.
    pub fn within<R>(&mut self, field: impl Display, walk: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.enter(&field.to_string());
        let result = walk(self);
        self.path.truncate(length);
        result
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// What was found, in the order of the walk.
    pub fn problems(&self) -> &[FieldProblem] {
        &self.problems
    }

    /// What was found, for keeps.
    pub fn into_problems(self) -> Vec<FieldProblem> {
        self.problems
    }

    /// Adds what another walk of the same thing found; on fields with a problem already, that one stays.
    pub fn merge(&mut self, other: Self) {
        for problem in other.problems {
            let known = self.problems.iter().any(|p| p.field == problem.field);
            if !known && self.problems.len() < Self::MAX {
                self.problems.push(problem);
            }
        }
    }

    /// Drops what `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&FieldProblem) -> bool) {
        self.problems.retain(keep);
    }

    /// Lengthens the path and returns the length to go back to.
    fn enter(&mut self, field: &str) -> usize {
        let length = self.path.len();
        if !field.is_empty() {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(field);
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_carry_the_path_that_led_to_them() {
        let mut report = Report::on("line_item");
        report.within("bid", |bid| {
            bid.within("multipliers[2]", |m| m.problem("when", "is missing", "give a test"));
            bid.problem("", "is missing", "say what to pay");
        });
        report.problem("name", "is empty", "give a name");
        report.problem("name", "is too short", "give a longer one");
        let fields: Vec<_> = report.problems().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["line_item.bid.multipliers[2].when", "line_item.bid", "line_item.name"]);
    }
}
