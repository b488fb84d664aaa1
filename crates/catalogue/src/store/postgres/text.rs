//! What PostgreSQL's text cannot hold: the character U+0000, which ends a string in C.
//!
//! It means nothing in a book, and comes from broken exports. The replacement character stands where it was. (In JSON
//! it is written `\u0000`, and stays.)

use crate::store::row::BookRow;
use std::borrow::Cow;

/// The text as it can be stored.
pub(super) fn storable_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The book as it can be stored.
pub(super) fn storable(book: &BookRow) -> Cow<'_, BookRow> {
    let optional = [&book.subtitle, &book.publisher, &book.language, &book.audience, &book.description];
    let mut texts = optional.into_iter().flatten().chain([&book.id, &book.title]);
    if !texts.any(|text| text.contains('\0')) {
        return Cow::Borrowed(book);
    }
    let mut book = book.clone();
    let optional =
        [&mut book.subtitle, &mut book.publisher, &mut book.language, &mut book.audience, &mut book.description];
    for text in optional.into_iter().flatten().chain([&mut book.id, &mut book.title]) {
        *text = storable_text(text).into_owned();
    }
    Cow::Owned(book)
}
