//! The fields of a document, and what a word counts in each.

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Title, subtitle, other titles.
    Title,
    /// Names.
    Authors,
    /// Subject headings.
    Subjects,
    /// The series it belongs to.
    Series,
    /// What it is about.
    Description,
    /// ISBNs, call numbers and other numbers that stand for it.
    Identifiers,
}

impl Field {
    /// Every field, in the order in which a document is read.
    pub const ALL: [Field; 6] =
        [Field::Title, Field::Authors, Field::Subjects, Field::Series, Field::Description, Field::Identifiers];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Title => "title",
            Field::Authors => "authors",
            Field::Subjects => "subjects",
            Field::Series => "series",
            Field::Description => "description",
            Field::Identifiers => "identifiers",
        }
    }

    /// What BM25 in this field adds to the score of the whole text; tuned on judged queries for subjects and for known
    /// books. A word of the description counts as one of the text, and no more.
    pub(super) fn weight(self) -> f32 {
        match self {
            Field::Title | Field::Authors => 0.3,
            Field::Subjects => 0.2,
            Field::Series => 0.1,
            Field::Description => 0.0,
            Field::Identifiers => 10.0,
        }
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(u8);

impl Fields {
    /// Every field.
    pub const ALL: Fields = Fields((1 << Field::ALL.len()) - 1);
    /// No field.
    pub const NONE: Fields = Fields(0);

    /// The set with a field more.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// Whether a field is in the set.
    pub const fn contains(self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }

    /// Whether the two have a field in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in one of them.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields, in order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |field| self.contains(*field))
    }

    /// As the lowest six bits.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// From the lowest six bits.
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl From<Field> for Fields {
    fn from(field: Field) -> Self {
        Self::NONE.with(field)
    }
}
