//! What is left of an expression when nothing but the user is known.

use bumpalo::Bump;
use proptest::prelude::*;
use tagbid_targeting::{
    Attributes, Dimension, Expr, Knowledge, Leaf, Lists, Truth, UnknownTags, oracle, possible,
};
use tagbid_types::ListId;

use crate::generate::{self, Choices};

/// The expression with a test that nobody knows the answer of in place of every test of the request.
fn with_unknowns(expr: &Expr) -> Expr {
    let each = |parts: &[Expr]| parts.iter().map(with_unknowns).collect();
    match expr {
        Expr::All(parts) => Expr::All(each(parts)),
        Expr::Any(parts) => Expr::Any(each(parts)),
        Expr::Not(part) => Expr::Not(Box::new(with_unknowns(part))),
        Expr::Leaf(Leaf::Tag(_)) => expr.clone(),
        Expr::Leaf(_) => Expr::Leaf(Leaf::OnList { dimension: Dimension::Site, list: ListId(u64::MAX) }),
    }
}

proptest! {
    /// It holds for exactly the users of whom the expression is not certainly false by Kleene's logic, and so for
    /// every user who is matched on any request.
    #[test]
    fn it_holds_unless_the_expression_is_certainly_false(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (arena, choices) = (Bump::new(), &mut Choices::new(&bytes));
        let mut request = generate::request(choices, &arena);
        (request.knowledge, request.unknown_tags) = (Knowledge::COMPLETE, UnknownTags::default());
        let expr = generate::expr(choices, std::slice::from_ref(&request), 3);
        let mut user = Attributes::default();
        (user.tags, user.knowledge) = (request.tags, request.knowledge);

        let lists = Lists::default();
        let holds = oracle::truth(&possible(&expr), &user, &lists);
        prop_assert_eq!(holds, Truth::from(oracle::truth(&with_unknowns(&expr), &user, &lists) != Truth::False));
        let matched = oracle::truth(&expr, &request, &lists) == Truth::True;
        prop_assert!(!matched || holds == Truth::True);
    }
}
