//! Searches as feeds: Atom (RFC 4287) for feed readers, and OPDS 1.2, which is Atom with rules of its own, for programs
//! that browse catalogues.
//!
//! A catalogue of libellus describes books and holds no files. OPDS has two kinds of feeds: those of acquisition, where
//! each entry says how to get the file, and those of navigation, whose entries lead to other feeds and pages. So ours are
//! of navigation: an entry leads to the book's page, and to books like it.

use super::facets::{label, value_label};
use super::{Tongue, Words, book_url};
use crate::Error;
use crate::log::rfc3339;
use crate::parameters::SearchParameters;
use crate::routes::assets;
use crate::site::Site;
use askama::Template;
use libellus_catalogue::Book;
use libellus_search::{DEFAULT_LIMIT, FacetCounts, Hit, Mode, SearchResponse, SimilarResponse};
use std::time::SystemTime;

/// The media type of Atom.
pub(crate) const ATOM: &str = "application/atom+xml";

/// The media type of an OPDS feed that leads to others.
pub(crate) const OPDS_NAVIGATION: &str = "application/atom+xml;profile=opds-catalog;kind=navigation";

/// That of the description by which other programs search here.
const OPENSEARCH: &str = "application/opensearchdescription+xml";

/// OPDS's relation of a feed with some of the same books.
const FACET: &str = "http://opds-spec.org/facet";

/// The longest name that OpenSearch has room for, in characters.
const MAX_SHORT_NAME_CHARS: usize = 16;

/// What every feed is made with.
pub(crate) struct FeedOf<'a> {
    /// Where links lead.
    pub(crate) site: &'a Site,
    /// What the service is called.
    pub(crate) site_name: &'a str,
    /// Since when the catalogue is as it is.
    pub(crate) changed: SystemTime,
}

#[derive(Template)]
#[template(path = "feed.xml")]
struct FeedDocument<'a> {
    site_name: String,
    version: &'a str,
    id: String,
    title: String,
    updated: String,
    links: Vec<FeedLink>,
    total: Option<(usize, usize)>,
    entries: Vec<Entry>,
}

/// A link of a feed or of an entry.
struct FeedLink {
    rel: &'static str,
    media_type: &'static str,
    href: String,
    title: Option<String>,
    facet: Option<FacetOf>,
}

impl FeedLink {
    fn new(rel: &'static str, media_type: &'static str, href: String) -> Self {
        Self { rel, media_type, href, title: None, facet: None }
    }

    fn titled(self, title: &str) -> Self {
        Self { title: Some(plain(title)), ..self }
    }
}

/// What a link to some of the same books says of them.
struct FacetOf {
    group: String,
    books: Option<usize>,
    is_active: bool,
}

/// One thing in a feed.
struct Entry {
    id: String,
    title: String,
    lang: Option<String>,
    authors: Vec<String>,
    links: Vec<FeedLink>,
    /// Terms of Dublin Core.
    terms: Vec<(&'static str, String)>,
    subjects: Vec<String>,
    summary: String,
    content: String,
}

/// A group of narrower searches.
pub(super) struct FacetGroup {
    pub(super) title: String,
    pub(super) choices: Vec<FacetChoice>,
}

/// A narrower search.
pub(super) struct FacetChoice {
    pub(super) title: String,
    pub(super) path: String,
    pub(super) books: Option<usize>,
    pub(super) is_active: bool,
}

impl FacetGroup {
    /// Of what the books found have in common, or what was chosen; `path` is where the narrower searches are.
    pub(super) fn all(asked: &SearchParameters, counts: &[FacetCounts], path: &str) -> Vec<Self> {
        let is_of_use =
            |counts: &&FacetCounts| counts.values.len() > 1 || asked.filter.any_of.contains_key(&counts.field);
        counts.iter().filter(is_of_use).map(|counts| Self::new(asked, counts, path)).collect()
    }

    fn new(asked: &SearchParameters, counts: &FacetCounts, path: &str) -> Self {
        let FacetCounts { field, values } = counts;
        let chosen = asked.filter.any_of.get(field).map(Vec::as_slice).unwrap_or_default();
        let narrowed = |value: Option<&str>| {
            let mut narrowed = SearchParameters { after: None, facets: Vec::new(), ..asked.clone() };
            narrowed.filter.any_of.remove(field);
            value.into_iter().for_each(|value| narrowed.filter.add(field, value));
            narrowed.address(path)
        };
        let all =
            FacetChoice { title: "All".to_owned(), path: narrowed(None), books: None, is_active: chosen.is_empty() };
        let choice = |count: &libellus_search::ValueCount| FacetChoice {
            title: value_label(field, &count.value, Words::default()),
            path: narrowed(Some(&count.value)),
            books: Some(count.books),
            is_active: chosen.iter().any(|chosen| chosen.eq_ignore_ascii_case(&count.value)),
        };
        Self {
            title: label(field, Words::default()),
            choices: std::iter::once(all).chain(values.iter().map(choice)).collect(),
        }
    }
}

/// The title with the rest of it.
pub(super) fn whole_title(book: &Book) -> String {
    let subtitle = book.subtitle.as_ref().map_or_else(String::new, |subtitle| format!(": {subtitle}"));
    plain(&format!("{}{subtitle}", book.title))
}

/// `text` without what XML cannot hold, not even escaped.
pub(super) fn plain(text: &str) -> String {
    let is_allowed =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().filter(is_allowed).collect()
}

/// The search for the books of a subject.
pub(super) fn of_subject(subject: &str) -> SearchParameters {
    let mut asked =
        SearchParameters { query: Some(subject.to_owned()), mode: Mode::Keyword, ..SearchParameters::default() };
    asked.filter.add("subject", subject);
    asked
}

impl FeedOf<'_> {
    /// A search as an Atom feed.
    pub(crate) fn atom(&self, asked: &SearchParameters, response: &SearchResponse) -> Result<String, Error> {
        let links = vec![FeedLink::new("alternate", "text/html", self.site.url(&asked.address("/")))];
        self.search(asked, response, ("/feed.atom", ATOM), links)
    }

    /// A search as an OPDS feed, with links that narrow it down.
    pub(crate) fn opds(&self, asked: &SearchParameters, response: &SearchResponse) -> Result<String, Error> {
        let mut links = self.within_catalogue();
        for FacetGroup { title: group, choices } in FacetGroup::all(asked, &response.facets, "/opds/books") {
            links.extend(choices.into_iter().map(|FacetChoice { title, path, books, is_active }| FeedLink {
                facet: Some(FacetOf { group: plain(&group), books, is_active }),
                ..FeedLink::new(FACET, OPDS_NAVIGATION, self.site.url(&path)).titled(&title)
            }));
        }
        self.search(asked, response, ("/opds/books", OPDS_NAVIGATION), links)
    }

    /// Books like one, as an OPDS feed.
    pub(crate) fn opds_similar(&self, book: &Book, found: &SimilarResponse) -> Result<String, Error> {
        let own = self.site.url(&similar_path(book));
        let mut links = vec![FeedLink::new("self", OPDS_NAVIGATION, own.clone())];
        links.extend(self.within_catalogue());
        links.push(FeedLink::new("related", "text/html", self.site.url(&book_url(book))));
        let title = format!("Books like {}", book.title);
        self.document(own, &title, links, None, found.hits.iter().map(|hit| self.entry(hit, true)).collect())
    }

    /// Where a catalogue begins: a way to search, and its subjects.
    pub(crate) fn opds_root(&self, subjects: &FacetCounts) -> Result<String, Error> {
        let own = self.site.url("/opds");
        let links = vec![
            FeedLink::new("self", OPDS_NAVIGATION, own.clone()),
            FeedLink::new("start", OPDS_NAVIGATION, own.clone()),
            FeedLink::new("search", OPENSEARCH, self.site.url("/opensearch.xml")),
            FeedLink::new("alternate", "text/html", self.site.url("/")),
        ];
        let entry = |count: &libellus_search::ValueCount| {
            let href = self.site.url(&of_subject(&count.value).address("/opds/books"));
            Entry {
                id: href.clone(),
                title: plain(&count.value),
                lang: None,
                authors: Vec::new(),
                links: vec![FeedLink::new("subsection", OPDS_NAVIGATION, href)],
                terms: Vec::new(),
                subjects: Vec::new(),
                summary: String::new(),
                content: format!("{} books of this subject", count.books),
            }
        };
        self.document(own, self.site_name, links, None, subjects.values.iter().map(entry).collect())
    }

    fn search(
        &self,
        asked: &SearchParameters,
        response: &SearchResponse,
        (path, media_type): (&str, &'static str),
        links: Vec<FeedLink>,
    ) -> Result<String, Error> {
        let page = |after: Option<String>| {
            self.site.url(&SearchParameters { after, facets: Vec::new(), ..asked.clone() }.address(path))
        };
        let first = page(None);
        let mut all = vec![FeedLink::new("self", media_type, page(asked.after.clone()))];
        all.extend(links);
        all.push(FeedLink::new("first", media_type, first.clone()));
        all.extend(response.next.clone().map(|next| FeedLink::new("next", media_type, page(Some(next)))));
        all.push(FeedLink::new("search", OPENSEARCH, self.site.url("/opensearch.xml")));
        let title = format!("{} · {}", response.query, self.site_name);
        let total = response.total.is_exact.then(|| (response.total.books, asked.limit.unwrap_or(DEFAULT_LIMIT)));
        let is_opds = media_type == OPDS_NAVIGATION;
        // The pages of a feed are one feed (RFC 5005), so that they have one id.
        self.document(first, &title, all, total, response.hits.iter().map(|hit| self.entry(hit, is_opds)).collect())
    }

    fn document(
        &self,
        id: String,
        title: &str,
        links: Vec<FeedLink>,
        total: Option<(usize, usize)>,
        entries: Vec<Entry>,
    ) -> Result<String, Error> {
        let (site_name, version) = (plain(self.site_name), env!("CARGO_PKG_VERSION"));
        let updated = rfc3339(self.changed);
        FeedDocument { site_name, version, id, title: plain(title), updated, links, total, entries }
            .render()
            .map_err(Error::internal)
    }

    fn entry(&self, hit: &Hit, is_opds: bool) -> Entry {
        let book = &hit.book;
        let page = self.site.url(&book_url(book));
        let mut links = vec![FeedLink::new("alternate", "text/html", page.clone())];
        if is_opds {
            let similar = self.site.url(&similar_path(book));
            links.push(FeedLink::new("subsection", OPDS_NAVIGATION, similar).titled("Books like this"));
        }
        let issued = book.year.filter(|year| (1..=9999).contains(year)).map(|year| format!("{year:04}"));
        let term = |name, value: Option<&String>| value.map(|value| (name, plain(value)));
        let mut terms: Vec<_> = [
            term("language", book.language.as_ref()),
            term("issued", issued.as_ref()),
            term("publisher", book.publisher.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        terms.extend(book.isbns.iter().map(|isbn| ("identifier", format!("urn:isbn:{}", plain(isbn)))));
        let description = book.description.as_deref().unwrap_or_default();
        Entry {
            id: page,
            title: whole_title(book),
            lang: Tongue::of(book, Words::default()).lang,
            authors: book.authors.iter().map(|author| plain(author)).collect(),
            links,
            terms,
            subjects: book.subjects.iter().map(|subject| plain(subject)).collect(),
            // A short description is its own passage.
            summary: if hit.passage == description { String::new() } else { plain(&hit.passage) },
            content: plain(description),
        }
    }

    /// What every OPDS feed but the first one has.
    fn within_catalogue(&self) -> Vec<FeedLink> {
        let root = self.site.url("/opds");
        vec![FeedLink::new("start", OPDS_NAVIGATION, root.clone()), FeedLink::new("up", OPDS_NAVIGATION, root)]
    }
}

fn similar_path(book: &Book) -> String {
    format!("/opds{}/similar", book_url(book))
}

#[derive(Template)]
#[template(path = "opensearch.xml")]
struct Description {
    short_name: String,
    description: String,
    icon: String,
    urls: Vec<(&'static str, &'static str, String)>,
}

/// How browsers and other programs search here.
pub(crate) fn opensearch_description(site: &Site, site_name: &str) -> Result<String, Error> {
    let url = |path: &str| site.url(&format!("{path}?q={{searchTerms}}"));
    Description {
        short_name: plain(site_name).chars().take(MAX_SHORT_NAME_CHARS).collect(),
        description: format!("{}: find a book by what it is about", plain(site_name)),
        icon: site.url(assets::ICON_PATH),
        urls: vec![
            ("text/html", "results", url("/")),
            ("application/x-suggestions+json", "suggestions", url("/opensearch/suggestions")),
            (ATOM, "results", url("/feed.atom")),
            (OPDS_NAVIGATION, "results", url("/opds/books")),
            (OPENSEARCH, "self", site.url("/opensearch.xml")),
        ],
    }
    .render()
    .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        for (text, expected) in
            [("a\u{0}b\u{8}\u{1b}", "ab"), ("a\tb\nc", "a\tb\nc"), ("\u{FFFE}é\u{FFFF}", "é"), ("𝔸<&", "𝔸<&")]
        {
            assert_eq!(plain(text), expected);
        }
    }
}
