//! Five decisions of the run in words: an auction that was won, a line item that did not match, one that matched
//! but was refused, one that its user has seen often enough, and where the winner of the first lost. Wins and losses
//! are the ledger's, requests are generated again from the seed, reasons are the bidder's own.

mod sides;

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tagbid_clients::{Lost, Won};
use tagbid_exchange::world::World;
use tagbid_exchange::{Generator, Traffic};
use tagbid_ports::{Explainer, ImpressionExplanation, Reason};
use tagbid_types::{Cpm, Currency, ExchangeName, LineItemId, NoBidReason};

use super::describe;
use super::report::Page;
use super::seed::Seeded;

/// Wins that are looked at for the decisions.
const WINS: u16 = 60;

/// Losses that are looked at for them.
pub(super) const LOSSES: u16 = 1_000;

/// Reasons that are spelt out.
const REASONS: usize = 4;

/// Questions to the bidder at most, wins times line items: with more line items fewer wins are looked at.
const QUESTIONS: usize = 20_000;

/// Line items that are asked about one impression at most.
const ASKED: usize = 2_000;

/// Requests that are generated again at most.
const REQUESTS: usize = 200_000;

/// What the exchange told of the run's auctions.
pub(super) struct Told {
    pub(super) won: Vec<Won>,
    pub(super) lost: Vec<Lost>,
}

impl Told {
    /// Whether anything here is about that auction.
    fn knows(&self, auction: &str) -> bool {
        let won = self.won.iter().map(|won| &won.auction);
        won.chain(self.lost.iter().map(|lost| &lost.auction)).any(|known| known == auction)
    }
}

/// A real impression that was won, and every line item's explanation of it.
struct Case {
    won: Won,
    request: Value,
    verdicts: Vec<(LineItemId, ImpressionExplanation)>,
}

/// What the decisions are taken from.
pub(super) struct Witness<'w> {
    pub(super) explainer: &'w dyn Explainer,
    pub(super) exchange: &'w ExchangeName,
    pub(super) seeded: &'w Seeded,
}

/// How many wins to ask the ledger for, with so many line items.
pub(super) fn wins(line_items: usize) -> u16 {
    let most = QUESTIONS / line_items.clamp(1, ASKED);
    u16::try_from(most).unwrap_or(WINS).min(WINS)
}

/// The requests of these auctions, out of the first `sent` of this traffic.
pub(super) fn requests_of(
    told: &Told,
    world: Arc<World>,
    traffic: Traffic,
    seed: u64,
    sent: u64,
) -> HashMap<String, Bytes> {
    let sent = usize::try_from(sent).unwrap_or(REQUESTS).min(REQUESTS);
    let generated = Generator::new(world, traffic, seed).take(sent);
    generated.filter(|request| told.knows(&request.id)).map(|request| (request.id, request.body)).collect()
}

impl Witness<'_> {
    /// Tells the decisions; of each kind the clearest that is found.
    pub(super) async fn tell<W: Write>(
        &self,
        told: Told,
        requests: &HashMap<String, Bytes>,
        page: &mut Page<W>,
    ) -> anyhow::Result<()> {
        let mut cases = Vec::new();
        for won in told.won {
            if let Some(case) = self.case(won, requests).await? {
                cases.push(case);
            }
        }
        page.heading("Five decisions explained");
        let lost = told.lost;
        let loss_of =
            |id| lost.iter().find(|lost| lost.line_item == id && requests.contains_key(&lost.auction));
        // The winner that lost too, and whose targeting says most about itself.
        let telling = |case: &&Case| (loss_of(case.won.line_item).is_some(), self.detail(case.won.line_item));
        let best = cases.iter().filter(|case| case.outbid_all()).max_by_key(telling);
        match best {
            Some(case) => self.tell_win(case, page),
            None => page.line(format_args!("  No auction that was won could be generated again.")),
        }
        let all = || cases.iter().flat_map(|case| case.verdicts.iter().map(move |verdict| (case, verdict)));
        let missed = all().filter(|(_, (_, verdict))| only(verdict, |code| code == NoBidReason::NoMatch));
        let nearest = missed.min_by_key(|(_, (_, verdict))| near_miss_rank(verdict));
        self.tell_refusal("2. A line item that did not match", nearest, page);
        let refused = all().filter(|(_, (_, verdict))| only(verdict, is_gate));
        let clearest = refused.min_by_key(|(_, (_, verdict))| gate_rank(verdict));
        self.tell_refusal("3. A line item that matched and was refused", clearest, page);
        let capped = all().find(|(_, (_, verdict))| is_capped(verdict));
        self.tell_refusal("4. A line item that the user has seen often enough by now", capped, page);
        if let Some(best) = best {
            let lost =
                loss_of(best.won.line_item).and_then(|lost| Some((lost, requests.get(&lost.auction)?)));
            self.tell_sides(&best.won, lost, &cases, page)?;
        }
        Ok(())
    }

    /// Asks every line item about the impression; none when its request is not at hand.
    async fn case(&self, won: Won, requests: &HashMap<String, Bytes>) -> anyhow::Result<Option<Case>> {
        let Some(body) = requests.get(&won.auction) else {
            return Ok(None);
        };
        let mut verdicts = Vec::new();
        let winner = self.seeded.line_item(won.line_item).into_iter();
        let others = self.seeded.line_items().filter(|item| item.id != won.line_item);
        for item in winner.chain(others).take(ASKED) {
            let explained = self.explainer.explain(item.id, self.exchange, body.clone()).await?;
            let of_imp = explained.impressions.into_iter().find(|one| one.impression == won.imp);
            verdicts.extend(of_imp.map(|verdict| (item.id, verdict)));
        }
        Ok(Some(Case { won, request: serde_json::from_slice(body)?, verdicts }))
    }

    fn detail(&self, id: LineItemId) -> (bool, usize) {
        let targeting =
            self.seeded.line_item(id).map(|item| describe::expression(&item.targeting, self.seeded));
        let targeting = targeting.unwrap_or_default();
        (targeting.contains("tag \""), targeting.len().min(300))
    }

    fn tell_win<W: Write>(&self, case: &Case, page: &mut Page<W>) {
        let won = &case.won;
        page.line(format_args!("  1. A bid that won"));
        tell_impression(&case.won.auction, &case.won.imp, &case.request, page);
        page.block(
            "     ",
            &format!(
                "Won by {}: bid {} {currency}, pays {} {currency}.",
                self.seeded.title(won.line_item),
                price(won.bid),
                won.price.map_or_else(|| "nothing yet".into(), price),
                currency = won.currency,
            ),
        );
        let Some(item) = self.seeded.line_item(won.line_item) else {
            return;
        };
        page.block("     It asks:  ", &describe::expression(&item.targeting, self.seeded));
        let base = format!("{} {} base", price(item.bid.base), item.bid.currency);
        page.block("     It pays:  ", &base);
        for multiplier in &item.bid.multipliers {
            let percent = multiplier.factor.0 / 10_000;
            let when = describe::test(&multiplier.when, self.seeded);
            page.block("               ", &format!("{percent} % where {when}"));
        }
        page.block("     Why this: ", &self.why(case));
    }

    /// What set the winner apart from all who were asked.
    fn why(&self, case: &Case) -> String {
        let others = case.bidders().filter(|(id, ..)| *id != case.won.line_item);
        let (asked, count) = (case.verdicts.len(), case.bidders().count());
        match others.max_by_key(|(_, price, _)| *price) {
            Some((id, best, currency)) => format!(
                "{count} of {asked} line items could have bid and none more; next came {} with {} {currency}.",
                self.seeded.title(id),
                price(best),
            ),
            None => format!("it was the only one of {asked} line items that could bid."),
        }
    }

    fn tell_refusal<W: Write>(
        &self,
        title: &str,
        found: Option<(&Case, &(LineItemId, ImpressionExplanation))>,
        page: &mut Page<W>,
    ) {
        page.gap();
        page.line(format_args!("  {title}"));
        let Some((case, (id, verdict))) = found else {
            return page.line(format_args!("     There was none on the auctions that were looked at."));
        };
        tell_impression(&case.won.auction, &case.won.imp, &case.request, page);
        page.block("     ", &format!("Stayed out: {}, because", self.seeded.title(*id)));
        tell_reasons(verdict, page);
    }
}

impl Case {
    /// Line items that could bid, with their prices.
    fn bidders(&self) -> impl Iterator<Item = (LineItemId, Cpm, Currency)> {
        let each = self.verdicts.iter().filter(|(_, verdict)| lasting(verdict).next().is_none());
        each.filter_map(|(id, verdict)| verdict.price.map(|(price, currency)| (*id, price, currency)))
    }

    /// Whether the winner would still bid as it did, and no line item more: tags decay and hours pass between the
    /// auction and the question.
    fn outbid_all(&self) -> bool {
        let own = self.bidders().find(|(id, ..)| *id == self.won.line_item);
        own.is_some_and(|(_, own, _)| own == self.won.bid && self.bidders().all(|(_, price, _)| price <= own))
    }
}

fn only(verdict: &ImpressionExplanation, is: impl Fn(NoBidReason) -> bool) -> bool {
    let mut reasons = lasting(verdict).peekable();
    reasons.peek().is_some() && reasons.all(|reason| is(reason.code))
}

/// Reasons of the auction's own: money, pace and counts are what they are now, after the run, and were others then.
fn lasting(verdict: &ImpressionExplanation) -> impl Iterator<Item = &Reason> {
    verdict.reasons.iter().filter(|reason| is_lasting(reason))
}

fn is_lasting(reason: &Reason) -> bool {
    use NoBidReason as R;
    !matches!(reason.code, R::NoBudget | R::NoCapacity | R::Paced | R::FrequencyCapped | R::FrequencyUnknown)
}

/// Whether nothing but a cap keeps it from this user.
fn is_capped(verdict: &ImpressionExplanation) -> bool {
    let mut reasons = verdict.reasons.iter();
    !verdict.reasons.is_empty() && reasons.all(|reason| reason.code == NoBidReason::FrequencyCapped)
}

/// Whether the reason is a gate's or the price's: what comes after matching.
fn is_gate(code: NoBidReason) -> bool {
    !matches!(code, NoBidReason::NoMatch | NoBidReason::NotLive)
}

/// A floor or a block tells more than a size that is not at hand, and one reason more than many.
fn gate_rank(verdict: &ImpressionExplanation) -> (bool, usize) {
    let telling = [NoBidReason::BelowFloor, NoBidReason::BlockedAdvertiser];
    let tells = verdict.reasons.iter().any(|reason| telling.contains(&reason.code));
    (!tells, lasting(verdict).count())
}

/// One failing clause is nearer than two, and what a user is tells more than where.
fn near_miss_rank(verdict: &ImpressionExplanation) -> (usize, bool) {
    let of_user = verdict.reasons.iter().any(|reason| reason.text.contains(".tag"));
    (lasting(verdict).count(), !of_user)
}

fn tell_reasons<W: Write>(verdict: &ImpressionExplanation, page: &mut Page<W>) {
    let reasons: Vec<&Reason> =
        verdict.reasons.iter().filter(|reason| is_capped(verdict) || is_lasting(reason)).collect();
    for reason in reasons.iter().take(REASONS) {
        page.block("     - ", &format!("[{}] {}", reason.code.as_str(), reason.text));
    }
    let more = reasons.len().saturating_sub(REASONS);
    if more > 0 {
        page.line(format_args!("     - and {more} more"));
    }
}

/// The impression in a line: what, where, for whom.
fn tell_impression<W: Write>(auction: &str, imp: &str, request: &Value, page: &mut Page<W>) {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str);
    let place = text("/site/domain").or_else(|| text("/app/name")).or_else(|| text("/dooh/name"));
    let city = text("/device/geo/city").unwrap_or("an unknown city");
    let country = text("/device/geo/country").unwrap_or("an unknown country");
    let first_price = request.get("at").and_then(Value::as_i64) == Some(1);
    let known = text("/user/buyeruid").is_some();
    let sentence = format!(
        "Auction {}, impression {} on {}, for a user {} our id in {city} ({country}); {} price.",
        auction,
        offer(request, imp),
        place.unwrap_or("an unnamed place"),
        if known { "with" } else { "without" },
        if first_price { "first" } else { "second" },
    );
    page.block("     ", &sentence);
}

/// What the impression takes, and its floor.
fn offer(request: &Value, id: &str) -> String {
    let imps = request.get("imp").and_then(Value::as_array);
    let imp = imps.and_then(|imps| imps.iter().find(|imp| imp.get("id").and_then(Value::as_str) == Some(id)));
    let member = |key: &str| imp.and_then(|imp| imp.get(key));
    let formats =
        ["banner", "video", "audio", "native"].into_iter().filter(|format| member(format).is_some());
    let formats = formats.collect::<Vec<_>>().join(" or ");
    let floor = member("bidfloor").and_then(Value::as_f64).unwrap_or(0.0);
    let currency = member("bidfloorcur").and_then(Value::as_str).unwrap_or("USD");
    format!("{id} ({formats}, floor {floor:.2} {currency})")
}

/// A CPM in units to the cent's tenth, for people.
pub(super) fn price(cpm: Cpm) -> String {
    format!("{:.3}", cpm.to_f64())
}
