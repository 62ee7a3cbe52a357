//! The `a-tree` crate as a second oracle: our language in its syntax, as far as it goes.
//!
//! What it has: sets over single values and over lists, comparisons, `and`, `or`, `not`. What it lacks: an absent
//! single value makes *both* a test and its negation undefined there, so negated tests ask for `is null` too; there is
//! no empty set and no constant, so these become tests of an attribute that every event has; geometry, and a tag's
//! kind, weight and age, are left out.

use std::fmt::Write;

use a_tree::{ATree, AttributeDefinition, Event};
use tagbid_targeting::{Attributes, Dimension, Expr, Leaf, Lists};

/// The form of a dimension there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One number, always there.
    Number,
    /// One text, or none.
    Text,
    Numbers,
    Texts,
}

/// The forms of all dimensions in use. Numbers are those at the end of a value ("site42"); `a-tree` likes them best.
#[derive(Clone, Copy)]
pub(crate) struct Schema(pub(crate) &'static [(Dimension, Form)]);

impl Schema {
    fn form(&self, dimension: Dimension) -> Form {
        let of = self.0.iter().find(|(own, _)| *own == dimension);
        of.map(|(_, form)| *form).expect("a dimension of the schema")
    }
}

/// Attributes beside the dimensions.
const ALWAYS: &str = "always";
const HOUR: &str = "hour_of_week";
const TAGS: &str = "tags";

/// Writes expressions and requests for `a-tree`.
pub(crate) struct Printer<'l> {
    pub(crate) schema: Schema,
    pub(crate) lists: &'l Lists<'l>,
}

impl Printer<'_> {
    /// A tree of expressions; each is known by its place among them.
    pub(crate) fn tree(&self, expressions: &[String]) -> ATree<u32> {
        let definition = |(dimension, form): &(Dimension, Form)| {
            let name = dimension.as_str();
            match form {
                Form::Number => AttributeDefinition::integer(name),
                Form::Text => AttributeDefinition::string(name),
                Form::Numbers => AttributeDefinition::integer_list(name),
                Form::Texts => AttributeDefinition::string_list(name),
            }
        };
        let mut definitions: Vec<_> = self.schema.0.iter().map(definition).collect();
        definitions.push(AttributeDefinition::integer(ALWAYS));
        definitions.push(AttributeDefinition::integer(HOUR));
        definitions.push(AttributeDefinition::integer_list(TAGS));
        let mut tree = ATree::new(&definitions).expect("a sound schema");
        for (expression, slot) in expressions.iter().zip(0_u32..) {
            tree.insert(&slot, expression).unwrap_or_else(|error| panic!("{error:?} of {expression}"));
        }
        tree
    }

    /// A request, once all expressions are in the tree. Tags that are not known are undefined.
    pub(crate) fn event(&self, tree: &ATree<u32>, request: &Attributes<'_>) -> Event {
        let mut event = tree.make_event();
        for (dimension, form) in self.schema.0 {
            let (name, values) = (dimension.as_str(), request.values(*dimension));
            let done = match (form, values) {
                (Form::Texts, _) => event.with_string_list(name, values),
                (Form::Numbers, _) => {
                    let numbers: Vec<_> = values.iter().map(|value| number(value)).collect();
                    event.with_integer_list(name, &numbers)
                }
                (Form::Text, [one]) => event.with_string(name, one),
                (Form::Number, [one]) => event.with_integer(name, number(one)),
                (Form::Text | Form::Number, []) => event.with_undefined(name),
                (Form::Text | Form::Number, _) => panic!("{name} has one value at most"),
            };
            done.expect("an attribute of the schema");
        }
        event.with_integer(ALWAYS, 1).expect("defined");
        if let Some(hour) = request.hour_of_week {
            event.with_integer(HOUR, hour.into()).expect("defined");
        }
        if request.knowledge.offline && request.knowledge.realtime {
            let tags: Vec<_> = request.tags.iter().map(|tag| i64::from(tag.id.0)).collect();
            event.with_integer_list(TAGS, &tags).expect("defined");
        }
        event.build().expect("complete")
    }

    pub(crate) fn expression(&self, expr: &Expr) -> String {
        let mut text = String::new();
        self.print(expr, false, &mut text);
        text
    }

    fn print(&self, expr: &Expr, negated: bool, out: &mut String) {
        let (parts, word, nothing) = match (expr, negated) {
            (Expr::All(parts), false) => (parts, " and ", true),
            (Expr::Any(parts), true) => (parts, " and ", true),
            (Expr::Any(parts), false) => (parts, " or ", false),
            (Expr::All(parts), true) => (parts, " or ", false),
            (Expr::Not(part), _) => return self.print(part, !negated, out),
            (Expr::Leaf(leaf), _) => return self.leaf(leaf, negated, out),
        };
        if parts.is_empty() {
            return constant(nothing, out);
        }
        for (place, part) in parts.iter().enumerate() {
            out.push_str(if place == 0 { "(" } else { word });
            self.print(part, negated, out);
        }
        out.push(')');
    }

    fn leaf(&self, leaf: &Leaf, negated: bool, out: &mut String) {
        match leaf {
            Leaf::In { dimension, values } => self.among(*dimension, values, negated, out),
            Leaf::OnList { dimension, list } => {
                let values = self.lists.values(*list, *dimension).expect("a list that is there");
                self.among(*dimension, values, negated, out);
            }
            Leaf::Present(dimension) => {
                let state = match (self.schema.form(*dimension), negated) {
                    (Form::Number | Form::Text, true) => "null",
                    (Form::Number | Form::Text, false) => "not null",
                    (Form::Numbers | Form::Texts, true) => "empty",
                    (Form::Numbers | Form::Texts, false) => "not empty",
                };
                let _ = write!(out, "{} is {state}", dimension.as_str());
            }
            Leaf::Hour(hours) => {
                let hours: Vec<_> = hours.iter().map(|hour| hour.to_string()).collect();
                set(HOUR, "in", hours, negated, true, out);
            }
            Leaf::Tag(test) => {
                let tags = test.any_of.iter().map(|tag| tag.0.to_string()).collect();
                set(TAGS, "one of", tags, negated, false, out);
            }
            Leaf::OsVersion(_) | Leaf::Near(_) => panic!("a-tree does not have {}", leaf.name()),
        }
    }

    fn among(&self, dimension: Dimension, values: &[String], negated: bool, out: &mut String) {
        let arena = bumpalo::Bump::new();
        let form = self.schema.form(dimension);
        let normal = |value: &String| match form {
            Form::Number | Form::Numbers => number(value).to_string(),
            Form::Text | Form::Texts => {
                format!("\"{}\"", tagbid_targeting::normalise(dimension, value, &arena))
            }
        };
        let values = values.iter().map(normal).collect();
        let operator = if matches!(form, Form::Number | Form::Text) { "in" } else { "one of" };
        set(dimension.as_str(), operator, values, negated, form == Form::Text, out);
    }
}

/// A test of a set or its negation, which holds where the attribute is absent.
fn set(name: &str, operator: &str, values: Vec<String>, negated: bool, nullable: bool, out: &mut String) {
    if values.is_empty() {
        return constant(negated, out);
    }
    let negation = match (operator, negated) {
        ("one of", true) => "none of",
        (_, true) => "not in",
        (_, false) => operator,
    };
    let test = format!("{name} {negation} [{}]", values.join(","));
    let _ = match negated && nullable {
        true => write!(out, "({name} is null or {test})"),
        false => write!(out, "{test}"),
    };
}

fn constant(holds: bool, out: &mut String) {
    let _ = write!(out, "{ALWAYS} = {}", u8::from(holds));
}

/// The number at the end of a name: 42 of "site42".
fn number(name: &str) -> i64 {
    name.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a numbered name")
}
