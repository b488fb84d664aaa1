//! Books like some others.

use crate::ranking::BookScope;
use crate::request::{FoundBy, Highlights};
use crate::snapshot::{Embeddings, normalize};
use crate::{Error, Filter, Hit, Library, MAX_LIMIT, Reason};
use libellus_catalogue::Book;
use libellus_encoder::Encoder;
use libellus_index::{GroupHit, GroupSet, fold, words};
use serde::Serialize;

/// So many more books are looked at than are given, so that there is something to choose from.
const CHOICE: usize = 4;
/// How much it counts that a book is like what was asked for; the rest is how much it differs from those before it.
const LIKENESS: f32 = 0.75;

/// What shall be like which books.
#[derive(Clone, Debug)]
pub struct SimilarRequest {
    /// Ids of the books, at least one.
    pub ids: Vec<String>,
    /// Most books wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Which books may be in the answer.
    pub filter: Filter,
}

/// Books like others.
#[derive(Clone, Debug, Serialize)]
pub struct SimilarResponse {
    /// The ids that were asked for.
    pub ids: Vec<String>,
    /// The books: near to those asked for, and different from one another; so scores need not fall. Of several editions
    /// there is one.
    pub hits: Vec<Hit>,
}

/// A book that may be given.
struct Candidate {
    book: Book,
    rowid: i64,
    hit: GroupHit,
    vector: Vec<f32>,
}

impl Library {
    /// Books like one or several others, without these and without other editions of them.
    ///
    /// Those near to all that were asked for are looked at, and chosen one after the other by maximal marginal relevance
    /// (Carbonell and Goldstein 1998), so that the list is no series of near twins.
    ///
    /// # Errors
    /// If a book is not there, none is asked for, the limit is out of range, the filter asks of a field that is not one,
    /// nothing is embedded yet, or the catalogue fails.
    pub fn similar(&self, request: &SimilarRequest) -> Result<SimilarResponse, Error> {
        self.despite_damage(|| self.similar_once(request))
    }

    fn similar_once(&self, request: &SimilarRequest) -> Result<SimilarResponse, Error> {
        let SimilarRequest { ids, limit, filter } = request;
        if !(1..=MAX_LIMIT).contains(limit) {
            return Err(Error::LimitOutOfRange { limit: *limit });
        }
        let embeddings = self.embeddings()?;
        let (mut asked, mut own, mut sum) = (Vec::new(), Vec::new(), vec![0.0; embeddings.index.dim()]);
        for id in ids {
            let unknown = || Error::UnknownBook(id.clone());
            let book = match &filter.within {
                // What may not be seen is not there, even to be compared with.
                Some(within) => self.book_within(id, within)?,
                None => self.book(id)?,
            };
            let book = book.ok_or_else(unknown)?;
            let rowid = self.catalogue().rowid_of(id)?.ok_or_else(unknown)?;
            let group = embeddings.books.binary_search(&rowid).ok().map(|group| group as u32);
            let vector = match group.map(|group| mean_vector(&embeddings, group)).transpose()? {
                Some(vector) if !vector.is_empty() => vector,
                // It is not embedded yet.
                _ => embed(&embeddings.encoder, &book),
            };
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
            own.extend(group);
            asked.push(book);
        }
        if asked.is_empty() {
            return Err(Error::NoBook);
        }
        normalize(&mut sum);
        let all = || GroupSet::all(embeddings.books.len() as u32);
        let mut within = if filter.is_empty() {
            all()
        } else {
            let words = self.words()?;
            let admitted = words.facets.admitted(filter)?;
            admitted.map_or_else(all, |groups| BookScope { words: &words, groups }.of(&embeddings))
        };
        for group in own {
            within.remove(group);
        }
        let nearest = embeddings.index.search_within(Some(&within), &sum, limit * CHOICE, 1)?;
        let candidates = self.candidates(&embeddings, nearest, &asked)?;
        let hits = self.hits_of(&embeddings, diverse(candidates, *limit))?;
        Ok(SimilarResponse { ids: ids.clone(), hits })
    }

    /// The records of what is near, one of each work, and none of a work that was asked for.
    fn candidates(
        &self,
        embeddings: &Embeddings,
        nearest: Vec<GroupHit>,
        asked: &[Book],
    ) -> Result<Vec<Candidate>, Error> {
        let rowids: Vec<i64> = nearest.iter().map(|hit| embeddings.books[hit.group as usize]).collect();
        let books = self.catalogue().books_by_rowid(&rowids)?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for ((hit, rowid), book) in nearest.into_iter().zip(rowids).zip(books) {
            let Some(book) = book else { continue };
            let mut others = asked.iter().chain(candidates.iter().map(|candidate| &candidate.book));
            if !others.any(|other| is_edition_of(&book, other)) {
                candidates.push(Candidate { book, rowid, hit, vector: mean_vector(embeddings, hit.group)? });
            }
        }
        Ok(candidates)
    }

    fn hits_of(&self, embeddings: &Embeddings, chosen: Vec<Candidate>) -> Result<Vec<Hit>, Error> {
        let mut hits = Vec::with_capacity(chosen.len());
        for Candidate { book, rowid, hit, .. } in chosen {
            let ordinal = embeddings.ordinals[hit.row as usize];
            hits.push(Hit {
                rank: hits.len() + 1,
                score: hit.score,
                book,
                passage: self.catalogue().passage_text(rowid, ordinal)?.unwrap_or_default(),
                reason: Reason {
                    found_by: FoundBy::Semantic,
                    is_named: false,
                    keyword_score: None,
                    semantic_score: Some(hit.score),
                    words: Vec::new(),
                    sentence: None,
                },
                highlights: Highlights::default(),
            });
        }
        Ok(hits)
    }
}

/// The direction in which a book's passages lie, of length 1; empty if it has none.
fn mean_vector(embeddings: &Embeddings, group: u32) -> Result<Vec<f32>, Error> {
    let (dim, vectors) = (embeddings.index.dim(), embeddings.index.vectors_of(group)?);
    if vectors.is_empty() {
        return Ok(vectors);
    }
    let mut mean = vec![0.0; dim];
    for row in vectors.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    normalize(&mut mean);
    Ok(mean)
}

/// A book's vector, by its title and as much of its description as the model reads.
fn embed(encoder: &Encoder, book: &Book) -> Vec<f32> {
    let text = format!("{}. {}", book.title, book.description.as_deref().unwrap_or_default());
    let mut vector = encoder.encode(&text).vector;
    normalize(&mut vector);
    vector
}

/// Chooses so many, each near to what was asked for and unlike those before it. The nearest comes first.
fn diverse(mut candidates: Vec<Candidate>, limit: usize) -> Vec<Candidate> {
    let mut chosen: Vec<Candidate> = Vec::new();
    let mut likest = vec![0.0_f32; candidates.len()];
    while chosen.len() < limit && !candidates.is_empty() {
        let worth = |at: usize| LIKENESS * candidates[at].hit.score - (1.0 - LIKENESS) * likest[at];
        // The first of equal ones: they come nearest first.
        let best = (0..candidates.len()).rev().max_by(|a, b| worth(*a).total_cmp(&worth(*b))).unwrap_or_default();
        let next = candidates.remove(best);
        likest.remove(best);
        for (candidate, likest) in candidates.iter().zip(&mut likest) {
            let cosine: f32 = candidate.vector.iter().zip(&next.vector).map(|(a, b)| a * b).sum();
            *likest = likest.max(cosine);
        }
        chosen.push(next);
    }
    chosen
}

/// Whether two records are of one work: the same title, and an author in common unless one of them names none.
fn is_edition_of(book: &Book, other: &Book) -> bool {
    let same = |a: &str, b: &str| words(&fold(a)).eq(words(&fold(b)));
    let names = |book: &Book| {
        let mut names: Vec<String> = book.authors.iter().map(|author| sorted_words(author)).collect();
        names.sort_unstable();
        names
    };
    let (of_book, of_other) = (names(book), names(other));
    same(&book.title, &other.title)
        && (of_book.is_empty() || of_other.is_empty() || of_book.iter().any(|name| of_other.contains(name)))
}

/// A name's words in one order, however it is turned: `Austen, Jane` and `Jane Austen`.
fn sorted_words(name: &str) -> String {
    let folded = fold(name);
    let mut words: Vec<&str> = words(&folded).filter(|word| !word.chars().all(char::is_numeric)).collect();
    words.sort_unstable();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(title: &str, authors: &[&str]) -> Book {
        let authors = authors.iter().map(ToString::to_string).collect();
        Book { title: title.to_owned(), authors, ..Book::default() }
    }

    #[test]
    fn editions_are_told_from_other_works() {
        let emma = book("Emma", &["Jane Austen"]);
        let cases = [
            (book("EMMA.", &["Austen, Jane, 1775-1817"]), true),
            (book("Emma", &[]), true),
            (book("Emma", &["Alexander McCall Smith"]), false),
            (book("Emma Brown", &["Jane Austen"]), false),
        ];
        for (other, expected) in cases {
            assert_eq!(is_edition_of(&emma, &other), expected, "{other:?}");
        }
    }

    #[test]
    fn near_twins_do_not_follow_one_another() {
        let candidate = |group: u32, score, vector: [f32; 2]| Candidate {
            book: book(&group.to_string(), &[]),
            rowid: i64::from(group),
            hit: GroupHit { group, row: group, score },
            vector: vector.to_vec(),
        };
        let candidates = || {
            vec![
                candidate(0, 0.9, [1.0, 0.0]),
                candidate(1, 0.89, [1.0, 0.0]),
                candidate(2, 0.8, [0.0, 1.0]),
                candidate(3, 0.1, [0.0, -1.0]),
            ]
        };
        let order = |limit| diverse(candidates(), limit).iter().map(|chosen| chosen.hit.group).collect::<Vec<_>>();
        assert_eq!(order(3), [0, 2, 1]);
        assert_eq!(order(9), [0, 2, 1, 3]);
    }
}
