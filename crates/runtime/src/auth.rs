//! Turns a credential into a [`Principal`], in this one layer. Today's credential is a static bearer token; the
//! gRPC services only ever see the principal.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use subtle::ConstantTimeEq;
use tagbid_types::{AdvertiserId, Principal, Scope};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use zeroize::Zeroizing;

/// A secret of the configuration. Prints as `***`; wiped when dropped.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Whether this is the secret, in a time that tells nothing about where they differ.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// The secret itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Serialize for Secret {
    /// Masked: `--dump-config` is pasted into tickets.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.expose().is_empty() { "" } else { "***" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A static bearer token of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Name of the credential in the audit log.
    pub name: String,
    /// The token, at least 16 characters.
    pub token: Secret,
    /// "operator", "role", "advertiser:ID" or "exchange:NAME".
    pub scope: String,
}

/// The tokens that are believed. Cheap to clone; as a tonic interceptor it puts the [`Principal`] into each
/// request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Vec<(Secret, Principal)>>);

impl Tokens {
    /// Checks and takes the configured tokens; an error names the key and the remedy.
    pub fn new(configured: &[TokenConfig]) -> Result<Self, String> {
        let tokens = configured.iter().enumerate().map(|(position, one)| {
            let scope = parse_scope(&one.scope).ok_or_else(|| {
                format!(
                    "auth.tokens[{position}].scope {:?}: use operator, role, advertiser:ID or exchange:NAME",
                    one.scope
                )
            })?;
            if one.token.expose().len() < 16 {
                return Err(format!("auth.tokens[{position}].token: use at least 16 characters"));
            }
            Ok((one.token.clone(), Principal { name: one.name.clone(), scope }))
        });
        Ok(Self(Arc::new(tokens.collect::<Result<_, _>>()?)))
    }

    /// Who presents this token. Every configured token is compared in constant time, so that neither a token nor
    /// its place in the list leaks through timing.
    pub fn authenticate(&self, token: &str) -> Option<Principal> {
        let mut found = None;
        for (secret, principal) in self.0.iter() {
            if secret.matches(token) {
                found = Some(principal);
            }
        }
        found.cloned()
    }
}

impl Interceptor for Tokens {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
        let Some(token) = token else {
            return Err(Status::unauthenticated("send metadata `authorization: Bearer TOKEN`"));
        };
        let principal =
            self.authenticate(token).ok_or_else(|| Status::unauthenticated("this token is not known"))?;
        request.extensions_mut().insert(principal);
        Ok(request)
    }
}

fn parse_scope(text: &str) -> Option<Scope> {
    match text {
        "operator" => Some(Scope::Operator),
        "role" => Some(Scope::Role),
        _ => match text.split_once(':')? {
            ("advertiser", id) => Some(Scope::Advertiser(AdvertiserId(id.parse().ok()?))),
            ("exchange", name) => Some(Scope::Exchange(name.parse().ok()?)),
            _ => None,
        },
    }
}

/// The caller of this request, as the interceptor found it.
pub fn principal<T>(request: &Request<T>) -> Result<Principal, Status> {
    request.extensions().get::<Principal>().cloned().ok_or_else(|| Status::unauthenticated("no credential"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(token: &str, scope: &str) -> TokenConfig {
        TokenConfig { name: "t".into(), token: Secret::new(token), scope: scope.into() }
    }

    #[test]
    fn a_known_token_becomes_its_principal_and_no_other() {
        let tokens = Tokens::new(&[configured("0123456789abcdef", "advertiser:7")]).unwrap();
        let who = tokens.authenticate("0123456789abcdef").unwrap();
        assert_eq!(who.scope, Scope::Advertiser(AdvertiserId(7)));
        assert_eq!(tokens.authenticate("0123456789abcdeX"), None);
        assert_eq!(tokens.authenticate(""), None);
        let tokens = Tokens::new(&[configured("0123456789abcdef", "exchange:demo")]).unwrap();
        let who = tokens.authenticate("0123456789abcdef").unwrap();
        assert_eq!(who.scope, Scope::Exchange("demo".parse().unwrap()));
    }

    #[test]
    fn bad_tokens_are_named_by_their_key() {
        let short = Tokens::new(&[configured("short", "operator")]).unwrap_err();
        assert!(short.contains("auth.tokens[0].token"), "{short}");
        for scope in ["admin", "exchange:", "exchange:De mo", "advertiser:x", "operator:1"] {
            let refused = Tokens::new(&[configured("0123456789abcdef", scope)]).unwrap_err();
            assert!(refused.contains("auth.tokens[0].scope"), "{refused}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
