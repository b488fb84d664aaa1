//! What is known of each document beside its words: its group, how long its fields are, where its titles end.

use super::field::Field;

/// Places of the title that are remembered: titles are found as known items by these.
pub(super) const TITLE_PLACES: u32 = u64::BITS;

/// One document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Document {
    /// What it is found as.
    pub group: u32,
    /// Words of title, authors, subjects, series and description together.
    pub n_words: u32,
    /// Where title, authors, subjects and series end, as places; the description follows.
    pub ends: [u16; 4],
    /// A bit for each place of the title: whether a text of it (title, subtitle, another title) ends with that word.
    pub title_ends: u64,
    /// The same: whether a colon follows.
    pub title_colons: u64,
    /// The same: whether a text begins with that word, and may do without it.
    pub title_articles: u64,
}

impl Document {
    /// The words of a field, its texts taken together; of the description it is not known, and 0.
    pub fn length(&self, field: Field) -> u32 {
        let ends = &self.ends;
        u32::from(match field {
            Field::Title => ends[0],
            Field::Authors => ends[1] - ends[0],
            Field::Subjects => ends[2] - ends[1],
            Field::Series => ends[3] - ends[2],
            Field::Description | Field::Identifiers => 0,
        })
    }
}

impl Document {
    /// The field that a place lies in; of a number behind the description it is not asked.
    pub fn field_at(&self, place: u32) -> Field {
        let fields = [Field::Title, Field::Authors, Field::Subjects, Field::Series];
        let found = fields.into_iter().zip(self.ends).find(|(_, end)| place < u32::from(*end));
        found.map_or(Field::Description, |(field, _)| field)
    }
}
