//! `libellus search`: a question on the command line.

use crate::cli::ModeArg;
use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::filter::FilterArgs;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output::{self, Style};
use crate::settings::{self, Environment};
use libellus_catalogue::{Access, Book, Catalogue};
use libellus_encoder::Encoder;
use libellus_search::{
    Corrected, DEFAULT_LIMIT, FacetCounts, Hit, Library, Mode, SearchRequest, SearchResponse, Sort, Total,
};
use std::fmt::Write as _;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  libellus search \"a salesman turns into a giant bug\"
  libellus search --limit 3 tolstoi war and peace
  libellus search --filter language=de --years 1900-1950 a family falls apart
  libellus search --facets language,subject ships
  libellus search --mode keyword '\"white whale\" -film author:melville'
  libellus search --json \"a gentle book for a child who is afraid of the dark\"";

/// What can be typed after `search`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What the book is about, in your own words
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// Most books to show, up to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    limit: usize,
    /// How to search
    #[arg(long, value_enum, default_value_t)]
    mode: ModeArg,
    /// Search for words as they are typed: spelling is not put right
    #[arg(long)]
    exact: bool,
    /// For --json: the sentence that comes nearest, of the first five books found by meaning
    #[arg(long, requires = "json")]
    sentences: bool,
    /// The order of the books: relevance, newest, oldest or title
    #[arg(long, value_name = "ORDER", default_value = "relevance")]
    sort: Sort,
    /// Fields to count among the books found, with commas between, for example language,subject
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    facets: Vec<String>,
    /// The page behind this one: what the page before said to type
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Print JSON: the query, the hits with their books, passages, scores and reasons, the time taken
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Searches, and prints the hits. The catalogue is only read.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let library = library(args.model.open()?, catalogue);
    let request = SearchRequest {
        query: args.words.join(" "),
        limit: args.limit,
        mode: args.mode.into(),
        exact: args.exact,
        sentences: args.sentences,
        filter: args.filter.filter()?,
        facets: args.facets.clone(),
        sort: args.sort,
        after: args.after.clone(),
    };
    let response = library.search(&request)?;
    print_notes(&library, &response, &backfill::command(&args.database, &args.model))?;
    if args.json {
        output::print_json(&response)?;
    } else {
        output::print(&for_people(&response, Style::of_stdout()))?;
    }
    Ok(Outcome::Done)
}

/// A library that knows the fields that the environment declares.
pub(super) fn library(encoder: Arc<Encoder>, catalogue: Catalogue) -> Library {
    Library::new(encoder, catalogue).with_facets(settings::facets(&Environment::of_process()).value)
}

/// Says on standard error what may have kept a book from being found.
fn print_notes(library: &Library, response: &SearchResponse, backfill: &str) -> Result<(), Error> {
    for Corrected { typed, searched, as_well } in &response.corrections {
        let how = if *as_well { "also searched for" } else { "searched for" };
        let beside = if *as_well { "beside" } else { "instead of" };
        eprintln!("note: {how} `{searched}` {beside} `{typed}`; --exact searches for what was typed");
    }
    if let Some(why) = &response.degraded {
        eprintln!("note: books are searched by their words only, as {why}; run `{backfill}`");
        return Ok(());
    }
    if let Some(tokens) = response.query_tokens.filter(|tokens| tokens.is_truncated()) {
        eprintln!("note: the query has {} tokens; the model read the first {}", tokens.seen, tokens.used);
    }
    if response.mode != Mode::Keyword {
        let counts = library.readiness()?.catalogue;
        let missing = counts.passages.saturating_sub(counts.embedded);
        if missing > 0 {
            eprintln!(
                "note: {missing} of {} passages have no embedding by this model yet, so their books may be missing \
                 here; run `{backfill}`",
                counts.passages
            );
        }
    }
    Ok(())
}

/// The hits as a list, what is only related, the counts, and how to go on.
fn for_people(response: &SearchResponse, style: Style) -> String {
    let Total { books, is_exact } = response.total;
    let mut text = match (response.hits.is_empty(), response.related.is_empty()) {
        (true, true) => format!("no book found among {}\n", response.searched_books),
        (true, false) => format!("no book found among {} that fits well\n", response.searched_books),
        (false, _) => hits_for_people(&response.hits, style),
    };
    if !response.related.is_empty() {
        text += &format!("{}\n{}", style.bold("Not quite, but related:"), hits_for_people(&response.related, style));
    }
    for FacetCounts { field, values } in &response.facets {
        let values: Vec<String> = values.iter().map(|count| format!("{} {}", count.value, count.books)).collect();
        text += &format!("{} {}\n", style.bold(&format!("{field}:")), output::plain(&values.join(", ")));
    }
    if let Some(next) = &response.next {
        let least = if is_exact { "" } else { "at least " };
        text += &style.dim(&format!("{least}{books} books fit; the next page: --after {next}"));
        text.push('\n');
    }
    text
}

/// Hits as a list: rank, title, authors and year, passage, and why.
pub(super) fn hits_for_people(hits: &[Hit], style: Style) -> String {
    let mut text = String::new();
    for hit in hits {
        write_hit(&mut text, hit, style);
    }
    text
}

/// How far a hit's lines are indented below its rank.
const INDENT: usize = 4;

fn write_hit(text: &mut String, hit: &Hit, style: Style) {
    let title = style.bold(&full_title(&hit.book));
    let byline = style.dim(&byline(&hit.book));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:>2}. {title}\n    {byline}", hit.rank);
    text.push_str(&output::wrap(&hit.passage, style.width, INDENT));
    if !hit.reason.words.is_empty() {
        let words: Vec<&str> = hit.reason.words.iter().map(|found| found.word.as_str()).collect();
        text.push_str(&format!("    {}\n", style.dim(&output::plain(&format!("words: {}", words.join(", "))))));
    }
    text.push('\n');
}

fn full_title(book: &Book) -> String {
    output::plain(&match &book.subtitle {
        Some(subtitle) => format!("{}: {subtitle}", book.title),
        None => book.title.clone(),
    })
}

/// Authors and year, as far as they are known.
pub(super) fn byline(book: &Book) -> String {
    let authors = if book.authors.is_empty() { "author unknown".to_owned() } else { book.authors.join(", ") };
    output::plain(&match book.year {
        Some(year) if year < 0 => format!("{authors} · {} BCE", -i64::from(year)),
        Some(year) => format!("{authors} · {year}"),
        None => authors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bylines_say_what_is_known() {
        let book = |authors: &[&str], year| Book {
            authors: authors.iter().map(ToString::to_string).collect(),
            year,
            ..Book::default()
        };
        for (book, expected) in [
            (book(&["Mary Shelley"], Some(1818)), "Mary Shelley · 1818"),
            (book(&["Homer"], Some(-700)), "Homer · 700 BCE"),
            (book(&["A", "B"], None), "A, B"),
            (book(&[], None), "author unknown"),
        ] {
            assert_eq!(byline(&book), expected);
        }
    }
}
