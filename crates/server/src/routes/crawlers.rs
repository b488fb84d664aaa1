//! `GET /robots.txt` and `GET /sitemap.xml`: which pages crawlers may read. Books are worth finding; results of searches are
//! without end, cost a computation each, and lead to the same books. Where reading is closed, or the operator wants no
//! crawlers, all of it is kept from them.

use super::feed::xml;
use crate::auth::Access;
use crate::config::Crawlers;
use crate::parameters::encode;
use crate::site::Site;
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use libellus_search::Filter;
use std::fmt::Write as _;

/// The books of one part: with the start page it has the 50,000 addresses that a part may have.
const BOOKS_IN_PART: usize = 49_999;

/// What crawlers have no use for: searches, and what is for programs.
const NOT_FOR_CRAWLERS: &str =
    "Disallow: /?\nDisallow: /api/\nDisallow: /feed.atom\nDisallow: /opds\nDisallow: /opensearch/\nDisallow: /v1/\n";

const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

/// The rules.
pub(crate) async fn robots(State(state): State<AppState>, site: Result<Site, Error>) -> Response {
    let rules = match state.crawlers() {
        Crawlers::None => "User-agent: *\nDisallow: /\n".to_owned(),
        Crawlers::Books => {
            // Who does not say which host it wants is told the rules all the same.
            let map = site.map(|site| format!("\nSitemap: {}\n", site.url("/sitemap.xml"))).unwrap_or_default();
            format!("User-agent: *\n{NOT_FOR_CRAWLERS}{map}")
        }
    };
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], rules).into_response()
}

/// The list of parts.
pub(crate) async fn index(State(state): State<AppState>, _: Access, site: Site) -> Result<Response, Error> {
    if state.crawlers() == Crawlers::None {
        return Err(Error::UnknownPath);
    }
    let books = state.look_up(|library| Ok(library.catalogue().book_count()?)).await?;
    let mut document = begun("sitemapindex");
    for part in 1..=books.div_ceil(BOOKS_IN_PART as u64).max(1) {
        // Hosts and numbers hold nothing that XML would have to escape.
        let _ = writeln!(document, "<sitemap><loc>{}</loc></sitemap>", site.url(&format!("/sitemap/{part}")));
    }
    Ok(xml("application/xml", document + "</sitemapindex>\n"))
}

/// One part: addresses of books.
pub(crate) async fn part(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    part: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let number = part.ok().and_then(|Path(part)| part.parse::<usize>().ok()).filter(|part| *part > 0);
    let Some(part) = number.filter(|_| state.crawlers() == Crawlers::Books) else { return Err(Error::UnknownPath) };
    let filter = access.bound(Filter::default());
    // It reads many books, so it waits for its turn as a search does.
    let document = state.answer(move |library| {
        let ids = library.ids_of_part(part - 1, BOOKS_IN_PART, &filter)?;
        Ok(ids.map(|ids| urlset(&site, part, &ids)))
    });
    Ok(xml("application/xml", document.await?.ok_or(Error::UnknownPath)?))
}

fn urlset(site: &Site, part: usize, ids: &[String]) -> String {
    let mut document = begun("urlset");
    let start = (part == 1).then(|| "/".to_owned());
    for path in start.into_iter().chain(ids.iter().map(|id| format!("/books/{}", encode(id)))) {
        let _ = writeln!(document, "<url><loc>{}</loc></url>", site.url(&path));
    }
    document + "</urlset>\n"
}

fn begun(element: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{element} xmlns=\"{NAMESPACE}\">\n")
}
