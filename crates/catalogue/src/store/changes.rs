//! Which books have changed since an index was made, so that it need not be made anew.
//!
//! A store notes for each revision which books were changed by it: triggers do, whatever way a change comes. A transaction
//! that changes nothing a search could show raises no revision; what it notes stands under the next one, which at worst
//! makes someone look at a book for nothing. Of the oldest of more than a thousand revisions it is forgotten.
//!
//! With a revision goes a *mark*, a random number, and an index remembers the last mark that it has seen. A catalogue that
//! was put back from a copy and changed in another way since may come to the same revision, but not by the same mark.

/// A state of a catalogue's contents, of which it can be asked later what has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogueState {
    /// The revision.
    pub revision: i64,
    /// The revision of the last mark, at most that one, and the mark, a negative number; zeros if there is none.
    pub mark: (i64, i64),
}
