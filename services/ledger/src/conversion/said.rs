//! What is said of a conversion: members of a JSON object, or parameters of a query.

use serde::Deserialize;
use serde_json::Number;

/// As it was said; nothing is checked yet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Said {
    /// The id of a click, from the landing page's address.
    pub(super) click: String,
    pub(super) name: String,
    pub(super) reference: String,
    pub(super) value: Option<Decimal>,
    pub(super) currency: String,
    /// Seconds since 1970.
    pub(super) time: Option<Decimal>,
    pub(super) user: Option<SaidUser>,
    /// Of the operator's: whose customer it was.
    pub(super) advertiser: Option<u64>,
}

/// A raw id, on its way to becoming a key.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SaidUser {
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) id: String,
}

impl std::fmt::Debug for SaidUser {
    /// Raw ids are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaidUser")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A number as it was written: `19.99` is not what the nearest binary fraction is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Decimal {
    Number(Number),
    Text(String),
}

impl Decimal {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Said {
    /// Reads a body. An empty one says nothing; what is wrong is told with its place.
    pub(crate) fn json(body: &[u8]) -> Result<Self, String> {
        match body.trim_ascii() {
            [] => Ok(Self::default()),
            body => serde_json::from_slice(body).map_err(|error| error.to_string()),
        }
    }

    /// Adds what a query says. Of a repeated parameter the first counts, and what the body has stays; others are left alone, because
    /// pages add parameters against caches.
    pub(crate) fn query(mut self, query: &str) -> Self {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = |place: &mut Option<Decimal>| {
                if !value.is_empty() {
                    place.get_or_insert_with(|| Decimal::Text(value.clone().into_owned()));
                }
            };
            let place = match name.as_ref() {
                "value" => {
                    number(&mut self.value);
                    continue;
                }
                "time" => {
                    number(&mut self.time);
                    continue;
                }
                "advertiser" => {
                    self.advertiser = self.advertiser.or_else(|| value.parse().ok());
                    continue;
                }
                "click" => &mut self.click,
                "name" => &mut self.name,
                "reference" => &mut self.reference,
                "currency" => &mut self.currency,
                "user_kind" => &mut self.user.get_or_insert_default().kind,
                "user_source" => &mut self.user.get_or_insert_default().source,
                "user_id" => &mut self.user.get_or_insert_default().id,
                _ => continue,
            };
            if place.is_empty() {
                *place = value.into_owned();
            }
        }
        self
    }

    /// With the click id of the path.
    pub(crate) fn click(self, click: &str) -> Self {
        Self { click: click.to_owned(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_and_a_query_say_the_same() {
        let body = br#" {"click": "abc", "name": "purchase", "reference": "o-7", "value": 19.99, "currency": "EUR",
            "time": "1790000000.5", "user": {"kind": "eid", "source": "uidapi.com", "id": "x y"}, "advertiser": 7} "#;
        let query = "click=abc&name=purchase&reference=o-7&value=19.99&currency=EUR&time=1790000000.5&user_kind=eid&\
                     user_source=uidapi.com&user_id=x+y&advertiser=7&_=123&name=other";
        for said in [Said::json(body).unwrap(), Said::default().query(query)] {
            assert_eq!(
                [&*said.click, &said.name, &said.reference, &said.currency],
                ["abc", "purchase", "o-7", "EUR"]
            );
            assert_eq!(
                (said.value.unwrap().text(), said.time.unwrap().text()),
                ("19.99".into(), "1790000000.5".into())
            );
            let user = said.user.unwrap();
            assert_eq!([&*user.kind, &user.source, &user.id], ["eid", "uidapi.com", "x y"]);
            assert!(!format!("{user:?}").contains("x y"));
            assert_eq!(said.advertiser, Some(7));
        }
    }

    #[test]
    fn what_a_body_cannot_mean_is_named() {
        let problem = Said::json(br#"{"refrence": "o-7"}"#).unwrap_err();
        assert!(problem.contains("unknown field `refrence`"), "{problem}");
        assert!(Said::json(b"[1]").is_err() && Said::json(b"{\"value\": true}").is_err());
        assert!(Said::json(b" ").is_ok());
    }
}
