//! Searches as feeds of OPDS 2.0, in JSON.
//!
//! A publication has to say how one gets at it, and ours have no files: what can be seen of a book here is its page, so
//! that is linked as an alternate and as a `preview`, which the specification counts among the ways.

use super::book_url;
use super::feed::{FacetGroup, FeedOf, of_subject, whole_title};
use crate::log::rfc3339;
use crate::parameters::{SearchParameters, encode};
use libellus_catalogue::Book;
use libellus_search::{DEFAULT_LIMIT, FacetCounts, SearchResponse};
use serde_json::{Map, Value, json};

/// The media type of a feed.
pub(crate) const OPDS_JSON: &str = "application/opds+json";

/// The media type of one publication.
pub(crate) const OPDS_PUBLICATION: &str = "application/opds-publication+json";

/// Where searches are.
const BOOKS: &str = "/opds/v2/books";

impl FeedOf<'_> {
    /// Where the catalogue begins: a way to search, and its subjects.
    pub(crate) fn opds2_root(&self, subjects: &FacetCounts) -> Value {
        let page =
            json!({"title": self.site_name, "href": self.site.url("/"), "type": "text/html", "rel": "alternate"});
        let subject = |count: &libellus_search::ValueCount| {
            let href = self.site.url(&of_subject(&count.value).address(BOOKS));
            let properties = json!({"numberOfItems": count.books});
            json!({"title": count.value, "href": href, "type": OPDS_JSON, "rel": "subsection", "properties": properties})
        };
        let navigation: Vec<Value> = std::iter::once(page).chain(subjects.values.iter().map(subject)).collect();
        json!({
            "metadata": {"title": self.site_name, "modified": rfc3339(self.changed)},
            "links": [link("self", OPDS_JSON, self.site.url("/opds/v2")), self.searching()],
            "navigation": navigation,
        })
    }

    /// A search, with links that narrow it down.
    pub(crate) fn opds2(&self, asked: &SearchParameters, response: &SearchResponse) -> Value {
        let page = |after: Option<String>| {
            let page = SearchParameters { after, facets: Vec::new(), ..asked.clone() };
            self.site.url(&page.address(BOOKS))
        };
        let mut links = vec![
            link("self", OPDS_JSON, page(asked.after.clone())),
            link("start", OPDS_JSON, self.site.url("/opds/v2")),
            link("first", OPDS_JSON, page(None)),
            link("alternate", "text/html", self.site.url(&asked.address("/"))),
            self.searching(),
        ];
        links.extend(response.next.clone().map(|next| link("next", OPDS_JSON, page(Some(next)))));
        let mut metadata = json!({
            "title": format!("{} · {}", response.query, self.site_name),
            "itemsPerPage": asked.limit.unwrap_or(DEFAULT_LIMIT),
            "modified": rfc3339(self.changed),
        });
        if response.total.is_exact {
            metadata["numberOfItems"] = response.total.books.into();
        }
        let facets: Vec<Value> =
            FacetGroup::all(asked, &response.facets, BOOKS).iter().map(|group| self.facet(group)).collect();
        json!({
            "metadata": metadata,
            "links": links,
            "publications": response.hits.iter().map(|hit| self.publication(&hit.book)).collect::<Vec<_>>(),
            "facets": facets,
        })
    }

    /// One book.
    pub(crate) fn publication(&self, book: &Book) -> Value {
        let page = self.site.url(&book_url(book));
        let mut metadata = Map::new();
        let mut put = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        put("@type", "http://schema.org/Book".into());
        put("title", whole_title(book).into());
        put("identifier", book.isbns.first().map_or_else(|| page.clone(), |isbn| format!("urn:isbn:{isbn}")).into());
        for (name, list) in [("author", &book.authors), ("subject", &book.subjects)] {
            if !list.is_empty() {
                put(name, list.clone().into());
            }
        }
        for (name, text) in
            [("publisher", &book.publisher), ("language", &book.language), ("description", &book.description)]
        {
            if let Some(text) = text {
                put(name, text.clone().into());
            }
        }
        let own = self.site.url(&format!("{BOOKS}/{}", encode(&book.id)));
        let seen = json!({"rel": ["alternate", "preview"], "href": page, "type": "text/html"});
        json!({"metadata": metadata, "links": [link("self", OPDS_PUBLICATION, own), seen]})
    }

    fn facet(&self, group: &FacetGroup) -> Value {
        let choice = |choice: &super::feed::FacetChoice| {
            let mut link = json!({"href": self.site.url(&choice.path), "type": OPDS_JSON, "title": choice.title});
            if choice.is_active {
                link["rel"] = "self".into();
            }
            if let Some(books) = choice.books {
                link["properties"] = json!({"numberOfItems": books});
            }
            link
        };
        json!({"metadata": {"title": group.title}, "links": group.choices.iter().map(choice).collect::<Vec<_>>()})
    }

    fn searching(&self) -> Value {
        let href = format!("{}{{?query}}", self.site.url(BOOKS));
        json!({"rel": "search", "href": href, "type": OPDS_JSON, "templated": true})
    }
}

fn link(rel: &str, media_type: &str, href: String) -> Value {
    json!({"rel": rel, "href": href, "type": media_type})
}
