//! From what is said to a conversion that can be kept.

use std::time::Duration;

use tagbid_notice::{Click, OpenError, Opener};
use tagbid_tagset::{IdError, IdKind, MacKeys, UserId, UserKey};
use tagbid_types::{AdvertiserId, Currency, Nanos, Principal, Scope, Timestamp};
use thiserror::Error;

use super::Conversion;
use super::decimal::decimal;
use super::said::{Said, SaidUser};

/// Longest reference and name, in bytes.
const MAX_REFERENCE: usize = 128;
const MAX_NAME: usize = 64;

/// What a conversion is called that has no name.
const UNNAMED: &str = "conversion";

/// How far clocks of advertisers may be ahead.
const AHEAD: Duration = Duration::from_secs(300);

/// Why a conversion was refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotConverted {
    /// A member or parameter that cannot be used, and the remedy.
    #[error("{field}: {remedy}")]
    Field { field: &'static str, remedy: String },
    /// The click id is none of ours.
    #[error("click: {0}")]
    Click(#[from] OpenError),
    /// Somebody else's click id or advertiser.
    #[error("{0}: it is another advertiser's")]
    NotYours(&'static str),
    /// The credential opens no advertiser's conversions.
    #[error("conversions need an advertiser's token, or the operator's")]
    WrongScope,
}

fn field(field: &'static str, remedy: impl ToString) -> NotConverted {
    NotConverted::Field { field, remedy: remedy.to_string() }
}

/// Who tells it.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A page or a server that shows the id of a click and no credential: of that click's advertiser, and of nobody's users.
    Public,
    /// An advertiser's server.
    Known(Principal),
}

/// What judging needs.
pub(crate) struct Judge<'a> {
    pub(crate) opener: &'a Opener,
    /// Makes keys of users; none: this ledger takes no users.
    pub(crate) user_keys: Option<&'a MacKeys>,
    pub(crate) now: Timestamp,
    /// For how long after it happened a conversion still counts.
    pub(crate) accept_for: Duration,
}

impl Judge<'_> {
    /// Checks what is said.
    pub(crate) fn judge(&self, said: &Said, caller: &Caller) -> Result<Conversion, NotConverted> {
        let click = match said.click.as_str() {
            "" => None,
            click => Some(self.opener.open_click(click)?),
        };
        let advertiser = advertiser(said, caller, click.as_ref())?;
        let name = match said.name.as_str() {
            "" => UNNAMED,
            name => plain("name", name, MAX_NAME)?,
        };
        let at = self.time(said, caller)?;
        let own = reference(said, click.as_ref(), name)?;
        let (reference, claimed) = match (caller, &click) {
            (Caller::Public, Some(click)) => (format!(":public:{}:{own}", click.token.bid), Some(own)),
            _ => (own, None),
        };
        Ok(Conversion {
            advertiser,
            reference,
            claimed,
            name: name.to_owned(),
            value: value(said, click.as_ref())?,
            at,
            received: self.now,
            late: self.now.since(at) > self.accept_for,
            users: self.users(said.user.as_ref(), caller)?,
            click,
        })
    }

    /// When it happened. Whoever could choose it with a click id alone could move a conversion to before other clicks.
    fn time(&self, said: &Said, caller: &Caller) -> Result<Timestamp, NotConverted> {
        let Some(time) = &said.time else { return Ok(self.now) };
        if matches!(caller, Caller::Public) {
            return Err(field(
                "time",
                "times are taken with an advertiser's token alone: leave it out for now",
            ));
        }
        let micros = decimal(&time.text(), 6);
        let at = micros
            .map(Timestamp)
            .ok_or_else(|| field("time", "use seconds since 1970, such as 1790000000"))?;
        match at.since(self.now) > AHEAD {
            true => Err(field("time", "is in the future: use seconds since 1970, or leave it out for now")),
            false => Ok(at),
        }
    }

    /// The user's keys. Whoever could name users with a click id alone could credit conversions to other people's views.
    fn users(&self, said: Option<&SaidUser>, caller: &Caller) -> Result<Vec<UserKey>, NotConverted> {
        let Some(said) = said else { return Ok(Vec::new()) };
        if matches!(caller, Caller::Public) {
            return Err(field("user", "users are taken with an advertiser's token alone"));
        }
        let keys =
            self.user_keys.ok_or_else(|| field("user", "this ledger has no keys.user: leave it out"))?;
        let kind = IdKind::ALL.into_iter().find(|kind| kind.as_str() == said.kind);
        let kind = kind.ok_or_else(|| field("user.kind", "use buyeruid, eid, ifa or exchange_user"))?;
        let id = UserId { kind, source: &said.source, id: &said.id };
        match id.standard() {
            Ok(id) => {
                let (current, previous) = keys.user_keys(&id);
                Ok([Some(current), previous].into_iter().flatten().collect())
            }
            // Shops send what they have: a placeholder is nobody, and no reason to lose an order.
            Err(IdError::Empty | IdError::Placeholder) => Ok(Vec::new()),
            Err(problem @ (IdError::NoSource | IdError::UnwantedSource | IdError::BadSource)) => {
                Err(field("user.source", problem))
            }
            Err(problem @ (IdError::TooLong(_) | IdError::Control)) => Err(field("user.id", problem)),
        }
    }
}

/// Whose customer it was.
fn advertiser(said: &Said, caller: &Caller, click: Option<&Click>) -> Result<AdvertiserId, NotConverted> {
    let named = said.advertiser.map(AdvertiserId);
    let clicked = click.map(|click| click.token.advertiser);
    let whose = match caller {
        Caller::Public => {
            clicked.ok_or_else(|| field("click", "give the id of a click, or an advertiser's token"))?
        }
        Caller::Known(Principal { scope: Scope::Advertiser(own), .. }) => *own,
        Caller::Known(Principal { scope: Scope::Operator, .. }) => named.or(clicked).ok_or_else(|| {
            field("advertiser", "whose conversion is it? Give the advertiser's id, or a click's")
        })?,
        Caller::Known(Principal { scope: Scope::Role | Scope::Exchange(_), .. }) => {
            return Err(NotConverted::WrongScope);
        }
    };
    match (named, clicked) {
        (Some(other), _) if other != whose => Err(NotConverted::NotYours("advertiser")),
        (_, Some(other)) if other != whose => Err(NotConverted::NotYours("click")),
        _ => Ok(whose),
    }
}

/// The advertiser's reference; without one a click converts once under each name. These begin with a colon, so nobody else's may.
fn reference(said: &Said, click: Option<&Click>, name: &str) -> Result<String, NotConverted> {
    match (said.reference.as_str(), click) {
        ("", Some(click)) => Ok(format!(":{}:{name}", click.token.bid)),
        ("", None) => {
            Err(field("reference", "give your own id of it, such as the order's: by it each counts once"))
        }
        (reference, _) if reference.starts_with(':') => {
            Err(field("reference", "begin it with another character than ':'"))
        }
        (reference, _) => plain("reference", reference, MAX_REFERENCE).map(str::to_owned),
    }
}

/// The value, in the currency that is said, or in the advertiser's as far as the click knows it.
fn value(said: &Said, click: Option<&Click>) -> Result<Option<(Nanos, Currency)>, NotConverted> {
    let Some(value) = &said.value else { return Ok(None) };
    let nanos = decimal(&value.text(), 9).map(Nanos);
    let nanos = nanos
        .ok_or_else(|| field("value", "use a plain decimal such as 19.99, with nine decimals at most"))?;
    let currency = match (said.currency.as_str(), click) {
        ("", Some(click)) => Ok(click.token.budget_currency),
        ("", None) => Err(field("currency", "say which, such as \"EUR\"")),
        (code, _) => code.parse().map_err(|problem| field("currency", problem)),
    };
    Ok(Some((nanos, currency?)))
}

fn plain<'a>(name: &'static str, text: &'a str, most: usize) -> Result<&'a str, NotConverted> {
    if text.len() > most || text.chars().any(char::is_control) {
        return Err(field(name, format!("use at most {most} bytes without control characters")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use tagbid_notice::{Keys, Sealer, TokenKey};
    use tagbid_tagset::MacKey;

    use super::*;
    use crate::store::fixture::token;

    const WINDOW: Duration = Duration::from_secs(72 * 3_600);

    fn keys() -> Keys {
        Keys::new(TokenKey::new(1, [7; 32]), None).unwrap()
    }

    /// The id of a click of [`token`]'s advertiser, 1.
    fn click() -> String {
        let click = Click::new(&token(9), token(9).issued);
        Sealer::new(&keys()).unwrap().seal_click(&click, [1; 12]).unwrap().as_str().to_owned()
    }

    fn caller(scope: Scope) -> Caller {
        Caller::Known(Principal { name: "shop".into(), scope })
    }

    fn judged(query: &str, caller: &Caller) -> Result<Conversion, NotConverted> {
        let user_keys = MacKeys::only(MacKey::new(1, &[7; 32]).unwrap());
        let (opener, now) = (Opener::new(&keys()).unwrap(), token(9).issued.after(Duration::from_secs(60)));
        let judge = Judge { opener: &opener, user_keys: Some(&user_keys), now, accept_for: WINDOW };
        judge.judge(&Said::default().query(query), caller)
    }

    fn refused(query: &str, caller: &Caller) -> String {
        judged(query, caller).unwrap_err().to_string()
    }

    #[test]
    fn a_click_id_is_enough_for_its_own_advertiser() {
        let told = judged(&format!("click={}&value=19.99", click()), &Caller::Public).unwrap();
        assert_eq!((told.advertiser, told.name.as_str()), (AdvertiserId(1), "conversion"));
        let (own, public) =
            (":00000000000000000000000000000009:conversion", ":public:00000000000000000000000000000009:");
        assert_eq!((told.reference, told.claimed.as_deref()), (format!("{public}{own}"), Some(own)));
        assert_eq!(told.value, Some((Nanos(19_990_000_000), Currency::USD)), "the advertiser's currency");
        assert!(!told.late && told.at == told.received);
        let own = caller(Scope::Advertiser(AdvertiserId(1)));
        let shops = judged(&format!("click={}&reference=o-7&time=1790000000", click()), &own).unwrap();
        assert_eq!((shops.reference.as_str(), shops.claimed), ("o-7", None));
        let claimed = judged(&format!("click={}&reference=o-7", click()), &Caller::Public).unwrap();
        assert_eq!((claimed.reference, claimed.claimed.as_deref()), (format!("{public}o-7"), Some("o-7")));
    }

    #[test]
    fn nobody_tells_conversions_of_others() {
        let other = caller(Scope::Advertiser(AdvertiserId(2)));
        assert_eq!(refused(&format!("click={}", click()), &other), "click: it is another advertiser's");
        assert_eq!(refused("reference=o&advertiser=1", &other), "advertiser: it is another advertiser's");
        assert_eq!(judged("reference=o", &caller(Scope::Role)), Err(NotConverted::WrongScope));
        let named = refused(&format!("click={}&user_kind=ifa&user_id=x", click()), &Caller::Public);
        assert_eq!(named, "user: users are taken with an advertiser's token alone");
        let dated = refused(&format!("click={}&time=1790000000", click()), &Caller::Public);
        assert_eq!(dated, "time: times are taken with an advertiser's token alone: leave it out for now");
        assert_eq!(refused("click=forged", &Caller::Public), "click: not a token");
        assert!(refused("reference=o", &Caller::Public).starts_with("click: give the id"));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_remedy() {
        let shop = caller(Scope::Advertiser(AdvertiserId(1)));
        for (query, field) in [
            ("", "reference: give your own id"),
            ("reference=%3Ax", "reference: begin it"),
            ("reference=a%00b", "reference: use at most 128"),
            ("reference=o&value=-1&currency=USD", "value: use a plain decimal"),
            ("reference=o&value=1", "currency: say which"),
            ("reference=o&value=1&currency=dollars", "currency: "),
            ("reference=o&time=soon", "time: use seconds"),
            ("reference=o&time=1990000000", "time: is in the future"),
            ("reference=o&user_kind=email&user_id=x", "user.kind: use buyeruid"),
            ("reference=o&user_kind=eid&user_id=x", "user.source: the source is missing"),
        ] {
            let problem = refused(query, &shop);
            assert!(problem.starts_with(field), "{query}: {problem}");
        }
        assert!(refused("reference=o", &caller(Scope::Operator)).starts_with("advertiser: whose"));
        assert!(judged("reference=o&advertiser=5", &caller(Scope::Operator)).is_ok());
    }

    #[test]
    fn a_placeholder_is_nobody_and_a_late_conversion_is_late() {
        let shop = caller(Scope::Advertiser(AdvertiserId(1)));
        let nobody = "reference=o&user_kind=ifa&user_id=00000000-0000-0000-0000-000000000000";
        assert_eq!(judged(nobody, &shop).unwrap().users, []);
        assert_eq!(judged("reference=o&user_kind=ifa&user_id=abc", &shop).unwrap().users.len(), 1);
        let earlier = token(9).issued.secs() - 72 * 3_600;
        assert!(judged(&format!("reference=o&time={earlier}"), &shop).unwrap().late);
        assert!(!judged(&format!("reference=o&time={}", earlier + 60), &shop).unwrap().late);
    }
}
