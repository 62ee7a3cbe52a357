//! One line item from both sides: where it won, and where it lost at the exchange, to another line item, to a rule.

use std::io::Write;

use bytes::Bytes;
use serde_json::Value;
use tagbid_clients::{Lost, Won};
use tagbid_ports::ImpressionExplanation;
use tagbid_types::{LineItemId, NoBidReason};

use super::{Case, Witness, is_gate, lasting, only, price, tell_impression, tell_reasons};
use crate::demo::report::Page;
use crate::words::loss_reason;

impl Witness<'_> {
    /// Tells where the winner of `won` won and lost.
    pub(super) fn tell_sides<W: Write>(
        &self,
        won: &Won,
        lost: Option<(&Lost, &Bytes)>,
        cases: &[Case],
        page: &mut Page<W>,
    ) -> anyhow::Result<()> {
        page.gap();
        page.line(format_args!("  5. One line item: where it won and where it lost"));
        page.block("     ", &format!("{}.", self.seeded.title(won.line_item)));
        page.block("     Won: ", &format!("auction {}, the first decision above.", won.auction));
        match lost {
            Some((lost, body)) => tell_loss(lost, &serde_json::from_slice(body)?, page),
            None => page.line(format_args!("     The exchange told of no auction that it lost.")),
        }
        if let Some((case, verdict)) = outbid(won.line_item, cases) {
            self.tell_outbid(case, verdict, page);
        }
        if let Some((case, verdict)) = refused(won.line_item, cases) {
            page.line(format_args!("     Kept out by a rule:"));
            tell_impression(&case.won.auction, &case.won.imp, &case.request, page);
            tell_reasons(verdict, page);
        }
        Ok(())
    }

    fn tell_outbid<W: Write>(&self, case: &Case, verdict: &ImpressionExplanation, page: &mut Page<W>) {
        let Some((own, currency)) = verdict.price else { return };
        page.line(format_args!("     Lost to a line item of this bidder:"));
        tell_impression(&case.won.auction, &case.won.imp, &case.request, page);
        let (winner, bid) = (self.seeded.title(case.won.line_item), price(case.won.bid));
        let told =
            format!("it would have bid {} {currency}; {winner} bid {bid} {}.", price(own), case.won.currency);
        page.block("     - ", &told);
    }
}

fn tell_loss<W: Write>(lost: &Lost, request: &Value, page: &mut Page<W>) {
    page.line(format_args!("     Lost at the exchange:"));
    tell_impression(&lost.auction, &lost.imp, request, page);
    let code = lost.reason.map(|code| format!(" (code {code})")).unwrap_or_default();
    let needed = lost.min_to_win.map(|cpm| format!("; {} {} would have won", price(cpm), lost.currency));
    let told = format!(
        "it bid {} {}; the exchange says: {}{code}{}.",
        price(lost.bid),
        lost.currency,
        loss_reason(lost.reason),
        needed.unwrap_or_default(),
    );
    page.block("     - ", &told);
}

/// Where it could have bid, and a line item of ours bid more in the same currency.
fn outbid(own: LineItemId, cases: &[Case]) -> Option<(&Case, &ImpressionExplanation)> {
    verdicts(own, cases).find(|(case, verdict)| {
        let less = |(price, currency)| currency == case.won.currency && price < case.won.bid;
        lasting(verdict).next().is_none() && verdict.price.is_some_and(less)
    })
}

/// Where a rule kept it out: of all such the one with the fewest reasons, and a gate rather than its targeting.
fn refused(own: LineItemId, cases: &[Case]) -> Option<(&Case, &ImpressionExplanation)> {
    let refusals =
        verdicts(own, cases).filter(|(_, verdict)| only(verdict, |code| code != NoBidReason::NotLive));
    refusals.min_by_key(|(_, verdict)| (!only(verdict, is_gate), lasting(verdict).count()))
}

/// What was said of it where another line item won.
fn verdicts(own: LineItemId, cases: &[Case]) -> impl Iterator<Item = (&Case, &ImpressionExplanation)> {
    let others = cases.iter().filter(move |case| case.won.line_item != own);
    others.flat_map(move |case| {
        let of_own = case.verdicts.iter().filter(move |(id, _)| *id == own);
        of_own.map(move |(_, verdict)| (case, verdict))
    })
}
