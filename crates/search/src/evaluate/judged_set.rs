//! Judged sets, in BEIR's layout or that of the sample catalogue.
//!
//! BEIR: `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`), and `qrels.tsv` or `qrels/test.tsv`
//! (`query-id`, `corpus-id`, `score`, with that header). The sample: `books.jsonl`, a book record on each line, and
//! `judgements.tsv`, on each line `query<TAB>id:grade id:grade …`, with `#` for a comment. In BEIR's layout the books may also
//! be any file that can be imported, by the name of `corpus.jsonl.gz`, and a query may have a `type`: figures are then given
//! for each of them, too.
//!
//! Queries and judgements are held in memory; the books, of which there may be millions, are read when asked for.

use crate::Error;
use libellus_catalogue::Book;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A query and how well books answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedQuery {
    /// Its id; in the sample's layout, `line-` and its line in the file.
    pub id: String,
    /// Its words.
    pub text: String,
    /// What kind of query it is, if the set says so.
    pub kind: Option<String>,
    /// Book id → grade; 0 is irrelevant, and so is a book that is not judged.
    pub grades: BTreeMap<String, u32>,
}

/// Books, queries, and judgements.
#[derive(Clone, Debug)]
pub struct JudgedSet {
    books: BooksFile,
    queries: Vec<JudgedQuery>,
    skipped_queries: usize,
}

/// Where the books are.
#[derive(Clone, Debug)]
pub(super) enum BooksFile {
    /// A line for each book.
    Lines(BookLines),
    /// What `libellus import` reads.
    Importable(PathBuf),
}

/// A file with a line for each book.
#[derive(Clone, Debug)]
pub(super) enum BookLines {
    /// BEIR's `corpus.jsonl`.
    Corpus(PathBuf),
    /// Book records.
    Records(PathBuf),
}

/// A line of BEIR's `corpus.jsonl`.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: Option<String>,
    text: String,
}

/// A line of BEIR's `queries.jsonl`.
#[derive(Deserialize)]
struct QueryLine {
    #[serde(rename = "_id", alias = "id")]
    id: String,
    text: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Query id → book id → grade.
type Judgements = HashMap<String, BTreeMap<String, u32>>;

impl JudgedSet {
    /// Opens a directory in either layout and reads its queries and judgements.
    ///
    /// A query without a judgement above 0 cannot be scored: it is left out, and counted.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let file = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
        let importable = || file("corpus.jsonl.gz").map(BooksFile::Importable);
        let lines = file("corpus.jsonl").map(|path| BooksFile::Lines(BookLines::Corpus(path)));
        let corpus = lines.or_else(importable);
        let (books, queries) = if let (Some(corpus), Some(queries), Some(qrels)) =
            (corpus, file("queries.jsonl"), file("qrels.tsv").or_else(|| file("qrels/test.tsv")))
        {
            (corpus, read_queries(&queries, read_qrels(&qrels)?)?)
        } else if let (Some(books), Some(judgements)) = (file("books.jsonl"), file("judgements.tsv")) {
            (BooksFile::Lines(BookLines::Records(books)), read_judgements(&judgements)?)
        } else {
            return Err(Error::NoJudgedSet { path: directory.to_owned() });
        };
        let n_queries = queries.len();
        let queries: Vec<JudgedQuery> =
            queries.into_iter().filter(|query| query.grades.values().any(|grade| *grade > 0)).collect();
        if queries.is_empty() {
            return Err(Error::NothingJudged { path: directory.to_owned() });
        }
        Ok(Self { books, skipped_queries: n_queries - queries.len(), queries })
    }

    /// The queries that can be scored, in the order of the file.
    pub fn queries(&self) -> &[JudgedQuery] {
        &self.queries
    }

    /// How many queries were left out, because nothing is judged to answer them.
    pub fn skipped_queries(&self) -> usize {
        self.skipped_queries
    }

    /// Where the books are.
    pub(super) fn books(&self) -> &BooksFile {
        &self.books
    }
}

impl BookLines {
    /// Reads the books, one after the other.
    pub(super) fn each_book(&self, visit: &mut dyn FnMut(Book) -> Result<(), Error>) -> Result<(), Error> {
        match self {
            BookLines::Corpus(path) => {
                each_json_line(path, "`_id`, `title` and `text`", &mut |document: Document| visit(document.into()))
            }
            BookLines::Records(path) => each_json_line(path, "a book with `id` and `title`", visit),
        }
    }
}

impl From<Document> for Book {
    fn from(document: Document) -> Self {
        Book {
            id: document.id,
            title: document.title.unwrap_or_default(),
            description: Some(document.text).filter(|text| !text.is_empty()),
            ..Book::default()
        }
    }
}

/// Reads `queries.jsonl` and gives each query its judgements.
fn read_queries(path: &Path, mut judgements: Judgements) -> Result<Vec<JudgedQuery>, Error> {
    let mut queries = Vec::new();
    each_json_line(path, "`_id` and `text`", &mut |QueryLine { id, text, kind }| {
        let grades = judgements.remove(&id).unwrap_or_default();
        queries.push(JudgedQuery { id, text, kind, grades });
        Ok(())
    })?;
    Ok(queries)
}

/// Reads `qrels.tsv`. A score below 0 is irrelevant, as in trec_eval; of two for one pair, the later counts.
fn read_qrels(path: &Path) -> Result<Judgements, Error> {
    let mut judgements = Judgements::new();
    each_line(path, &mut |number, line| {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let is_header = number == 1 && fields.first() == Some(&"query-id");
        if is_header || line.trim().is_empty() {
            return Ok(());
        }
        let judged = match fields[..] {
            [query, document, score] => score.parse::<i64>().ok().map(|score| (query, document, score)),
            _ => None,
        };
        let (query, document, score) = judged.ok_or_else(|| {
            bad_line(path, number, line, "a query id, a document id and a whole number, tab-separated")
        })?;
        let grade = u32::try_from(score.max(0)).unwrap_or(u32::MAX);
        judgements.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
        Ok(())
    })?;
    Ok(judgements)
}

/// Reads `judgements.tsv` of the sample's layout.
fn read_judgements(path: &Path) -> Result<Vec<JudgedQuery>, Error> {
    let mut queries = Vec::new();
    each_line(path, &mut |number, line| {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (text, judged) = line
            .split_once('\t')
            .ok_or_else(|| bad_line(path, number, line, "a query, a tab and `id:grade id:grade …`"))?;
        let mut grades = BTreeMap::new();
        for pair in judged.split_whitespace() {
            let (id, grade) = parse_grade(pair).ok_or_else(|| bad_line(path, number, pair, "`id:grade`"))?;
            grades.insert(id.to_owned(), grade);
        }
        let (id, text) = (format!("line-{number}"), text.trim().to_owned());
        queries.push(JudgedQuery { id, text, kind: None, grades });
        Ok(())
    })?;
    Ok(queries)
}

/// `id:grade`; the id may hold colons.
fn parse_grade(pair: &str) -> Option<(&str, u32)> {
    let (id, grade) = pair.rsplit_once(':')?;
    Some((id, grade.parse().ok()?)).filter(|(id, _)| !id.is_empty())
}

fn bad_line(path: &Path, line: u64, found: &str, expected: &'static str) -> Error {
    const SHOWN: usize = 80;
    let mut shown: String = found.chars().take(SHOWN).collect();
    if shown.len() < found.len() {
        shown.push('…');
    }
    Error::BadLine { path: path.to_owned(), line, found: shown, expected }
}

/// Calls `visit` with the object on every line that is not blank.
fn each_json_line<T: DeserializeOwned>(
    path: &Path,
    expected: &'static str,
    visit: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    each_raw_line(path, |number, line| {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let value = serde_json::from_slice(line).map_err(|source| Error::BadJson {
            path: path.to_owned(),
            line: number,
            expected,
            source,
        })?;
        visit(value)
    })
}

/// Calls `visit` with every line and its number.
fn each_line(path: &Path, visit: &mut dyn FnMut(u64, &str) -> Result<(), Error>) -> Result<(), Error> {
    each_raw_line(path, |number, line| match std::str::from_utf8(line) {
        Ok(line) => visit(number, line),
        Err(_) => Err(bad_line(path, number, &String::from_utf8_lossy(line), "UTF-8")),
    })
}

/// Calls `visit` with the bytes and number (from 1) of every line, without its end and without a byte order mark.
fn each_raw_line(path: &Path, mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        visit(number, if number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;
    use std::fs;
    use tempfile::TempDir;

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("inside")).expect("a temporary directory");
            fs::write(path, content).expect("a temporary file");
        }
        directory
    }

    fn lines(set: &JudgedSet) -> &BookLines {
        let BooksFile::Lines(lines) = set.books() else { panic!("nothing to import") };
        lines
    }

    fn books(set: &JudgedSet) -> Vec<Book> {
        let mut books = Vec::new();
        lines(set)
            .each_book(&mut |book| {
                books.push(book);
                Ok(())
            })
            .expect("good books");
        books
    }

    fn grades(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
        pairs.iter().map(|&(id, grade)| (id.to_owned(), grade)).collect()
    }

    const CORPUS: &str =
        "{\"_id\":\"d1\",\"title\":\"Emma\",\"text\":\"Matches.\",\"metadata\":{}}\n\n{\"_id\":\"d2\",\"text\":\"\"}";
    const QUERIES: &str = "\u{feff}{\"_id\":\"q1\",\"text\":\"a village\"}\r\n{\"_id\":\"q2\",\"text\":\"unjudged\"}\n";

    #[test]
    fn beir_layout() {
        let qrels = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\r\nq1\tgone\t1\nq1\tbad\t-1\n";
        for place in ["qrels.tsv", "qrels/test.tsv"] {
            let directory = directory(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), (place, qrels)]);
            let set = JudgedSet::open(directory.path()).expect("a judged set");
            let grades = grades(&[("bad", 0), ("d1", 2), ("d2", 0), ("gone", 1)]);
            let (id, text) = ("q1".to_owned(), "a village".to_owned());
            assert_eq!(set.queries(), [JudgedQuery { id, text, kind: None, grades }]);
            assert_eq!(set.skipped_queries(), 1);
            let books = books(&set);
            assert_eq!(books.len(), 2);
            assert_eq!((books[0].title.as_str(), books[0].description.as_deref()), ("Emma", Some("Matches.")));
            assert_eq!((books[1].id.as_str(), books[1].title.as_str(), &books[1].description), ("d2", "", &None));
        }
    }

    #[test]
    fn the_samples_layout() {
        let directory = directory(&[
            (
                "books.jsonl",
                "{\"id\":\"emma\",\"title\":\"Emma\",\"authors\":[\"Jane Austen\"],\"genre\":\"classic\"}\n",
            ),
            ("judgements.tsv", "# a comment\n\na village\temma:2 isbn:123:1\nnothing\t\nzero\temma:0\n"),
        ]);
        let set = JudgedSet::open(directory.path()).expect("a judged set");
        let grades = grades(&[("emma", 2), ("isbn:123", 1)]);
        let (id, text) = ("line-3".to_owned(), "a village".to_owned());
        assert_eq!(set.queries(), [JudgedQuery { id, text, kind: None, grades }]);
        assert_eq!(set.skipped_queries(), 2);
        assert_eq!(books(&set)[0].authors, ["Jane Austen"]);
    }

    #[test]
    fn errors_name_file_and_line() {
        let good = [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", "q1\td1\t1\n")];
        let cases = [
            ("qrels.tsv", "q1\td1\t1\nq1 d1 1\n", "qrels.tsv`, line 2: `q1 d1 1` is not a query id, a document id"),
            ("qrels.tsv", "q1\td1\thigh\n", "qrels.tsv`, line 1: `q1\td1\thigh` is not"),
            ("qrels.tsv", "q9\td1\t1\n", "has no query with a judgement above 0"),
            (
                "queries.jsonl",
                "{\"_id\":\"q1\"}",
                "queries.jsonl`, line 1: not the record expected here (`_id` and `text`)",
            ),
            ("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"a\"}\n{\"_id", "queries.jsonl`, line 2: not the record"),
        ];
        for (name, content, expected) in cases {
            let mut files = good.to_vec();
            files.retain(|(other, _)| *other != name);
            files.push((name, content));
            let directory = directory(&files);
            let error = JudgedSet::open(directory.path()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn errors_in_books_and_judgements_name_the_line_and_the_cause() {
        let books = "{\"id\":\"emma\",\"title\":\"Emma\"}\n{\"title\":\"Emma\"}\n";
        let set = directory(&[("books.jsonl", books), ("judgements.tsv", "a village\temma:1\n")]);
        let set = JudgedSet::open(set.path()).expect("a judged set");
        let error = lines(&set).each_book(&mut |_| Ok(())).expect_err("the second book has no id");
        assert!(
            error
                .to_string()
                .ends_with("books.jsonl`, line 2: not the record expected here (a book with `id` and `title`)")
        );
        assert!(error.source().expect("a cause").to_string().starts_with("missing field `id`"));

        for (line, found) in
            [("a village", "`a village`"), ("a\temma", "`emma`"), ("a\temma:x", "`emma:x`"), ("a\t:1", "`:1`")]
        {
            let directory = directory(&[("books.jsonl", books), ("judgements.tsv", line)]);
            let error = JudgedSet::open(directory.path()).expect_err(line).to_string();
            assert!(error.contains(&format!("judgements.tsv`, line 1: {found} is not ")), "{error}");
        }
    }

    #[test]
    fn a_directory_without_a_set_says_what_was_expected() {
        let directory = directory(&[("corpus.jsonl", CORPUS)]);
        let error = JudgedSet::open(directory.path()).expect_err("two files are missing").to_string();
        assert!(error.contains("holds no judged set; expected `corpus.jsonl`, `queries.jsonl`"), "{error}");
    }
}
