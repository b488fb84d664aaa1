//! Who may read, and what they see: tokens, keys and filters. Tokens made by Flask-JWT-Extended itself are in
//! `crates/libellus/tests/cli/access.rs`.

use crate::support::{BROWSER, Reply, app_with, ask_with, books, library};
use axum::Router;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use libellus_catalogue::{Book, Scope};
use libellus_search::Library;
use libellus_server::{AccessConfig, Reading, Secret, ServerConfig};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "correct-horse-battery-staple-0042";

/// Books for children, for adults, and of which nobody says for whom.
fn shelf() -> Vec<Book> {
    let more = json!([
        {"id": "calf", "title": "The Little Whale", "authors": ["A. Swimmer"], "audience": "ages 4-8", "language": "en",
         "subjects": ["whales"], "description": "A whale calf loses its mother at sea and finds her again."},
        {"id": "gore", "title": "The Whale Butcher", "authors": ["X. Adult"], "audience": "adult", "language": "en",
         "subjects": ["whaling", "vivisection"], "description": "A bloodthirsty whaler slaughters whales at sea, in full detail."},
    ]);
    let mut all = books();
    all.extend(serde_json::from_value::<Vec<Book>>(more).expect("books"));
    all
}

static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(|| Arc::new(library(&shelf(), true)));

fn service(library: &Arc<Library>, reading: Reading, secret: Option<&str>) -> Router {
    let access = AccessConfig { reading, secret: secret.map(Secret::new), ..AccessConfig::default() };
    app_with(Arc::clone(library), &ServerConfig { access, ..ServerConfig::default() })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let content = format!("{}.{}", encoded(header), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(content.as_bytes());
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

/// A token with the usual claims and these.
fn token(more: Value) -> String {
    let mut claims =
        json!({"sub": "17", "type": "access", "fresh": true, "iat": now(), "nbf": now(), "exp": now() + 60});
    let more = more.as_object().expect("an object").clone();
    claims.as_object_mut().expect("an object").extend(more);
    signed(&header(), &claims, SECRET)
}

async fn ask(app: &Router, path: &str, shown: &str) -> Reply {
    let authorization = format!("Bearer {shown}");
    let headers: &[(&str, &str)] = if shown.is_empty() { &[] } else { &[("authorization", &authorization)] };
    ask_with(app.clone(), Method::GET, path, headers, "").await
}

fn assert_refused(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    let problem = reply.json();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    let challenge = reply.header("www-authenticate");
    let has_one = status == 401 || code == "scope_insufficient";
    assert_eq!(challenge.starts_with("Bearer realm=\"libellus\""), has_one, "{what}: {challenge}");
    assert!(!reply.body.contains(SECRET), "{what}: {}", reply.body);
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_even_where_reading_is_public() {
    let public = service(&LIBRARY, Reading::Public, Some(SECRET));
    let (good, claims) = (token(json!({})), json!({"sub": "17", "exp": now() + 60}));
    let (content, signature) = good.rsplit_once('.').expect("three parts");
    let none = |alg: &str| format!("{}.{}.", encoded(&json!({"alg": alg})), encoded(&claims));
    let with_header = |header: Value| signed(&header, &claims, SECRET);
    let deep = URL_SAFE_NO_PAD.encode(format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
    let cases = [
        ("", 200, ""),
        (&*good, 200, ""),
        (&*with_header(json!({"alg": "HS256"})), 200, ""),
        ("x", 401, "token_malformed"),
        ("..", 401, "token_malformed"),
        (&*format!("{good}."), 401, "token_malformed"),
        (&*format!("{good}="), 401, "token_malformed"),
        (content, 401, "token_malformed"),
        (&*format!("{content}."), 401, "token_signature"),
        (&*format!("{content}.{}", &signature[..signature.len() - 3]), 401, "token_signature"),
        (&*signed(&header(), &claims, "another secret, as long as that one"), 401, "token_signature"),
        (&*signed(&header(), &claims, ""), 401, "token_signature"),
        (&*format!("{}.{}.{signature}", encoded(&header()), encoded(&claims)), 401, "token_signature"),
        (&*none("none"), 401, "token_algorithm"),
        (&*none("None"), 401, "token_algorithm"),
        (&*none("HS256"), 401, "token_signature"),
        (&*with_header(json!({"alg": "RS256", "typ": "JWT"})), 401, "token_algorithm"),
        (&*with_header(json!({"alg": "ES256"})), 401, "token_algorithm"),
        (&*with_header(json!({"alg": "HS512"})), 401, "token_algorithm"),
        (&*with_header(json!({"alg": "hs256"})), 401, "token_algorithm"),
        (&*with_header(json!({"alg": ["HS256"]})), 401, "token_algorithm"),
        (&*with_header(json!({"typ": "JWT"})), 401, "token_algorithm"),
        (&*with_header(json!({"alg": "HS256", "crit": ["exp"], "exp": 1})), 401, "token_extension"),
        (&*with_header(json!({"alg": "HS256", "crit": null})), 401, "token_extension"),
        (&*with_header(json!({"alg": "HS256", "b64": false, "crit": ["b64"]})), 401, "token_extension"),
        (&*with_header(json!({"alg": "HS256", "typ": "dpop+jwt"})), 401, "token_type"),
        (&*with_header(json!("HS256")), 401, "token_malformed"),
        (&*format!("{deep}.{}.{signature}", encoded(&claims)), 401, "token_malformed"),
        (&*"a".repeat(20_000), 401, "token_malformed"),
        (&*signed(&header(), &json!([]), SECRET), 401, "token_claims"),
        (&*token(json!({"exp": now() - 3600})), 401, "token_expired"),
        (&*token(json!({"exp": now() - 10})), 200, ""),
        (&*token(json!({"exp": 0.5})), 401, "token_expired"),
        (&*token(json!({"exp": (now() + 60).to_string()})), 401, "token_claims"),
        (&*token(json!({"exp": true})), 401, "token_claims"),
        (&*token(json!({"nbf": now() + 3600})), 401, "token_not_yet_valid"),
        (&*token(json!({"nbf": now() + 10})), 200, ""),
        (&*token(json!({"iat": now() + 3600})), 401, "token_not_yet_valid"),
        (&*token(json!({"type": "refresh"})), 401, "token_type"),
        (&*token(json!({"type": 1})), 401, "token_claims"),
        (&*token(json!({"aud": "another program"})), 401, "token_audience"),
        (&*token(json!({"scope": {"read": true}})), 401, "token_claims"),
        (&*token(json!({"scope": "email profile"})), 403, "scope_insufficient"),
        (&*token(json!({"scope": "email read"})), 200, ""),
        (&*token(json!({"scope": ["admin"]})), 200, ""),
        (&*token(json!({"libellus_filter": {"agee": 9}})), 401, "token_filter"),
        (&*token(json!({"libellus_filter": null})), 401, "token_filter"),
        (&*token(json!({"libellus_filter": {}})), 401, "token_filter"),
        (&*token(json!({"libellus_filter": {"any_of": {"colour": ["red"]}}})), 400, "facet_unknown"),
        ("libellus_0000", 401, "key_unknown"),
        (&*format!("libellus_{}", "0".repeat(64)), 401, "key_unknown"),
    ];
    for (number, (shown, status, code)) in cases.into_iter().enumerate() {
        let what = format!("case {number}: {:.60}", shown);
        for path in ["/api/search?q=sea", "/api/books/iliad"] {
            let reply = ask(&public, path, shown).await;
            match status {
                200 => assert_eq!(reply.status.as_u16(), 200, "{what}: {}", reply.body),
                _ => assert_refused(&reply, status, code, &what),
            }
        }
    }
    let two = [("authorization", "Bearer a"), ("authorization", "bearer b")];
    let reply = ask_with(public.clone(), Method::GET, "/api/search?q=sea", &two, "").await;
    assert_refused(&reply, 400, "credentials_ambiguous", "two tokens");
    // What is for a proxy is not for us.
    let basic = [("authorization", "Basic dXNlcjpwYXNz")];
    assert_eq!(ask_with(public, Method::GET, "/api/search?q=sea", &basic, "").await.status.as_u16(), 200);
}

#[tokio::test]
async fn where_nothing_is_set_up_clients_may_show_anything() {
    // No other test makes a key in it.
    let open = service(&Arc::new(library(&shelf(), false)), Reading::Public, None);
    for shown in ["", "sk-none", "a.b.c", &token(json!({}))] {
        assert_eq!(ask(&open, "/api/search?q=sea", shown).await.status.as_u16(), 200, "{shown}");
    }
    // What looks like a key of ours was one once.
    let reply = ask(&open, "/api/search?q=sea", &format!("libellus_{}", "0".repeat(64))).await;
    assert_refused(&reply, 401, "key_unknown", "a revoked key");
}

#[tokio::test]
async fn reading_can_be_closed_and_keys_open_it_until_they_are_revoked() {
    let library = Arc::new(library(&shelf(), true));
    let closed = service(&library, Reading::Closed, None);
    const PATHS: [&str; 9] = [
        "/",
        "/?q=sea",
        "/books/iliad",
        "/api/search?q=sea",
        "/api/suggest?q=the",
        "/api/facets",
        "/api/similar?id=iliad",
        "/api/books/iliad",
        "/metrics",
    ];
    for path in PATHS {
        assert_refused(&ask(&closed, path, "").await, 401, "credentials_missing", path);
    }
    assert_refused(&ask(&closed, "/api/books/nobody-wrote-this", "").await, 401, "credentials_missing", "no book");
    let page = ask_with(closed.clone(), Method::GET, "/?q=sea", &[("accept", BROWSER)], "").await;
    assert!(page.status.as_u16() == 401 && page.body.contains("This is not open to everyone"), "{}", page.body);
    for path in ["/health", "/ready", "/favicon.svg"] {
        assert_eq!(ask(&closed, path, "").await.status.as_u16(), 200, "{path}");
    }
    let (key, kept) = library.catalogue().create_key("a reader's", Scope::Read, None, None).expect("stores");
    for path in PATHS {
        assert_eq!(ask(&closed, path, &key).await.status.as_u16(), 200, "{path}");
    }
    // There is a key now, so what cannot be checked is no key.
    assert_refused(&ask(&closed, PATHS[0], &token(json!({}))).await, 401, "token_unsupported", "a token");
    assert!(library.catalogue().revoke_key(&kept.id).expect("deletes"));
    for path in PATHS {
        assert_refused(&ask(&closed, path, &key).await, 401, "key_unknown", path);
    }
}

/// Everything that a reader can ask for, which must not show what the filter keeps back.
#[tokio::test]
async fn a_childrens_token_never_sees_a_book_for_adults() {
    let app = service(&LIBRARY, Reading::Public, Some(SECRET));
    let by_token = token(json!({"scope": "admin", "libellus_filter": {"age": 8}}));
    let (by_key, _) =
        LIBRARY.catalogue().create_key("children's room", Scope::Read, Some("{\"age\":8}"), None).expect("stores");
    const PATHS: [&str; 18] = [
        "/api/search?q=whale+slaughter&limit=100",
        "/api/search?q=whale&mode=keyword",
        "/api/search?q=whale&mode=semantic&sentences=true",
        "/api/search?q=The+Whale+Butcher",
        "/api/search?q=vivisectoin",
        "/api/search?q=whale&age=99&unknown_age=true",
        "/api/search?q=whale&audience=adult&facets=audience,subject,author",
        "/api/search?q=whale&facets=subject,author,audience&sort=title",
        "/api/suggest?q=the+wh",
        "/api/suggest?q=x",
        "/api/suggest?q=viv",
        "/api/facets",
        "/api/facets?audience=adult&facets=audience,subject",
        "/api/similar?id=calf",
        "/api/books/calf/similar",
        "/?q=whale",
        "/?q=whale&audience=adult",
        "/books/calf",
    ];
    for path in PATHS {
        let all = ask(&app, path, "").await;
        for shown in [&by_token, &by_key] {
            let reply = ask(&app, path, shown).await;
            assert_eq!(reply.status.as_u16(), 200, "{path}: {}", reply.body);
            // What was typed comes back, wherever it comes from.
            let body = reply.body.replace("vivisectoin", "").replace("The Whale Butcher\",\"mode", "");
            for adult in ["gore", "Butcher", "X. Adult", "vivisection", "bloodthirsty"] {
                assert!(!body.contains(adult), "{path}: `{adult}` is in {body}");
            }
        }
        let is_about_it = all.body.contains("gore") || all.body.contains("Adult") || all.body.contains("vivisection");
        assert!(is_about_it || path.contains("calf"), "{path} would show it otherwise: {}", all.body);
    }
    for (path, code) in [
        ("/api/books/gore", "book_not_found"),
        ("/books/gore", "book_not_found"),
        ("/api/books/gore/similar", "book_not_found"),
        ("/api/similar?id=calf&id=gore", "book_not_found"),
    ] {
        assert_eq!(ask(&app, path, "").await.status.as_u16(), 200, "{path}");
        for shown in [&by_token, &by_key] {
            let reply = ask(&app, path, shown).await;
            assert_refused(&reply, 404, code, path);
            let other = ask(&app, &path.replace("gore", "none"), shown).await;
            let told = |reply: &Reply, id: &str| {
                let mut problem = reply.json();
                problem.as_object_mut().expect("an object").remove("request_id");
                problem.to_string().replace(id, "none")
            };
            assert_eq!(told(&reply, "gore"), told(&other, "none"), "as if it were not there");
        }
    }
    // A filter that the reader asks for narrows down further.
    let reply = ask(&app, "/api/search?q=whale&language=de", &by_token).await;
    assert_eq!(reply.json()["hits"], json!([]), "{}", reply.body);
    let reply = ask(&app, "/api/search?q=whale&language=en", &by_token).await;
    assert_eq!(reply.json()["hits"][0]["book"]["id"], "calf", "{}", reply.body);
    // A page of one reader's answer is not the other's.
    let first = ask(&app, "/api/search?q=whale+sea+man&limit=1&mode=keyword", "").await.json();
    let next = first["next"].as_str().expect("a next page");
    let path = format!("/api/search?q=whale+sea+man&limit=1&mode=keyword&after={next}");
    assert_refused(&ask(&app, &path, &by_token).await, 400, "cursor_invalid", "another's page");
}
