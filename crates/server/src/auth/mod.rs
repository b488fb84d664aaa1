//! Who is asking, and what they may do.
//!
//! A request may carry `Authorization: Bearer …` with a JSON Web Token that another program signed with the secret that
//! both know or with a private key whose public one is known here (`jwt.rs`, `keys.rs`), or with a key that `libellus key create` made. Either is good for a [`Scope`], and may bound which
//! books are seen: every route takes its filter from [`Access::bound`].
//!
//! Each route says what it asks for ([`reading`], [`writing`], [`administering`]), before anything else of it runs. Reading
//! is public unless the operator closed it; writing and administration are off until there is a secret or a key. Whoever
//! shows something that is not good is refused, even where nothing had to be shown: a token that has run out must not
//! show more than it did before. Only where there is neither secret nor key nothing is checked: clients that must send
//! something, as those of OpenAI, may send anything.

mod jwt;
mod keys;

pub(crate) use jwt::TokenFault;
pub use keys::{MOST_KEY_SET_BYTES, PublicKeys};

use crate::{AppState, Error};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use keys::KeySet;
use libellus_catalogue::{ApiKey, KEY_PREFIX, Scope};
use libellus_search::Filter;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Everyone.
    #[default]
    Public,
    /// Whoever has a token or a key.
    Closed,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Reading::Public { "public" } else { "closed" })
    }
}

/// What tokens are signed with. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// This secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// What is asked of those who ask.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// Who may read.
    pub reading: Reading,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<Secret>,
    /// The public keys of what signs tokens with private ones.
    pub public_keys: Option<PublicKeys>,
    /// What a token is good for that does not say it.
    pub token_scope: Scope,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self { reading: Reading::Public, secret: None, public_keys: None, token_scope: Scope::Read }
    }
}

/// What a request may do.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The books that may be seen; all if there is none.
    within: Option<Arc<Filter>>,
}

impl Access {
    /// What is asked, within what may be seen.
    pub(crate) fn bound(&self, filter: Filter) -> Filter {
        Filter { within: self.within.clone(), ..filter }
    }
}

/// Only where a layer of this module stands before the route.
impl FromRequestParts<AppState> for Access {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Error> {
        let missing = || Error::internal(std::io::Error::other("a route without a rule of who may ask"));
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// Routes for whoever may read.
pub(crate) fn reading(state: &AppState, routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    asking(state, Scope::Read, routes)
}

/// Routes for whoever may write.
pub(crate) fn writing(state: &AppState, routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    asking(state, Scope::Write, routes)
}

/// Routes for whoever may see what others do.
pub(crate) fn administering(state: &AppState, routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    asking(state, Scope::Admin, routes)
}

fn asking(state: &AppState, scope: Scope, routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    routes.route_layer(from_fn_with_state((state.clone(), scope), layer))
}

/// Lets a request pass that may do what a route asks for.
async fn layer(State((state, wanted)): State<(AppState, Scope)>, mut request: Request, next: Next) -> Response {
    match admit(&state, wanted, request.headers()).await {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// What someone was given by a token or a key.
struct Given {
    /// What it is good for; `None` for something else only.
    scope: Option<Scope>,
    within: Option<Arc<Filter>>,
    /// Whether a password was typed for it, and not only an older token shown.
    is_fresh: bool,
}

async fn admit(state: &AppState, wanted: Scope, headers: &HeaderMap) -> Result<Access, Error> {
    let config = state.access();
    let given = match bearer(headers)? {
        Some(shown) => identify(state, shown).await?,
        None => None,
    };
    match given {
        Some(given) if given.scope < Some(wanted) => Err(Error::ScopeInsufficient { wanted }),
        Some(given) if wanted == Scope::Admin && !given.is_fresh => Err(Error::Token(TokenFault::NotFresh)),
        Some(given) => Ok(Access { within: given.within }),
        None if wanted == Scope::Read && config.reading == Reading::Public => Ok(Access { within: None }),
        None if wanted == Scope::Read || is_set_up(state).await? => Err(Error::CredentialsMissing),
        None => Err(Error::WritingOff),
    }
}

/// Whether there is anything that writing could be allowed by.
async fn is_set_up(state: &AppState) -> Result<bool, Error> {
    let access = state.access();
    if access.secret.is_some() || access.public_keys.is_some() {
        return Ok(true);
    }
    state.look_up(|library| Ok(library.catalogue().has_keys()?)).await
}

/// What is shown. Other schemes than `Bearer` are for someone else, for a proxy for instance.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut shown = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let Ok(value) = value.to_str() else { return Err(Error::Token(TokenFault::Malformed)) };
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        // Two could be meant for two readers of them; which one counts is not guessed.
        if scheme.eq_ignore_ascii_case("bearer") && shown.replace(token.trim()).is_some() {
            return Err(Error::Token(TokenFault::Several));
        }
    }
    Ok(shown)
}

/// What is given by what was shown; nothing where nothing is checked.
async fn identify(state: &AppState, shown: &str) -> Result<Option<Given>, Error> {
    if shown.starts_with(KEY_PREFIX) {
        let key = shown.to_owned();
        let found = state.look_up(move |library| Ok(library.catalogue().find_key(&key)?)).await?;
        return Ok(Some(given_by_key(found.ok_or(Error::Token(TokenFault::UnknownKey))?)?));
    }
    let access = state.access();
    if access.secret.is_none() && access.public_keys.is_none() {
        return if is_set_up(state).await? { Err(Error::Token(TokenFault::NoSecret)) } else { Ok(None) };
    }
    let secret = access.secret.as_ref().map(|Secret(secret)| secret.as_bytes());
    let given = |keys: Option<&KeySet>| given_by_token(shown, jwt::Trust { secret, keys }, access.token_scope);
    let Some(public_keys) = access.public_keys.as_ref().filter(|_| jwt::wants_a_public_key(shown)) else {
        return given(None).map(Some);
    };
    let keys = public_keys.current(state.log()).await.ok_or(Error::KeysAway)?;
    match given(Some(&keys)) {
        // It may have come into use since.
        Err(Error::Token(TokenFault::KeyNotFound)) => given(public_keys.renewed(state.log()).await.as_deref()),
        given => given,
    }
    .map(Some)
}

fn given_by_key(key: ApiKey) -> Result<Given, Error> {
    let ApiKey { scope, filter, .. } = key;
    let within = filter.map(|json| Filter::from_json(&json).map_err(Error::internal)).transpose()?.map(Arc::new);
    Ok(Given { scope: Some(bounded(scope, within.is_some())), within, is_fresh: true })
}

fn given_by_token(token: &str, trust: jwt::Trust<'_>, scope: Scope) -> Result<Given, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let claims = jwt::verify(token, trust, now).map_err(Error::Token)?;
    let filter = claims.filter().map_err(|_| Error::Token(TokenFault::Filter))?;
    let within = filter.map(Arc::new);
    let scope = claims.scope(scope).map(|scope| bounded(scope, within.is_some()));
    Ok(Given { scope, within, is_fresh: claims.is_fresh(now) })
}

/// Whoever sees some books only may not change any: a book that is not seen would be overwritten unseen.
fn bounded(scope: Scope, has_filter: bool) -> Scope {
    if has_filter { Scope::Read } else { scope }
}
