//! A MARC record: a leader and fields, from either of its two notations.

use std::borrow::Cow;

/// A record; borrows its text from the file's bytes where those are UTF-8.
#[derive(Debug, Default)]
pub(in crate::import) struct Marc<'r> {
    /// 24 characters, or fewer if the file has fewer.
    pub(in crate::import) leader: Cow<'r, str>,
    /// In the order of the record.
    pub(in crate::import) fields: Vec<Field<'r>>,
    /// What is odd about the record as a whole.
    pub(in crate::import) warnings: Vec<String>,
}

/// A field: of a control field the text is in `subfields`, under no code.
#[derive(Debug, Default)]
pub(in crate::import) struct Field<'r> {
    pub(in crate::import) tag: Cow<'r, str>,
    /// Blanks are spaces.
    pub(in crate::import) indicators: [char; 2],
    pub(in crate::import) subfields: Vec<(char, Cow<'r, str>)>,
}

/// The code under which a control field has its text.
pub(in crate::import) const CONTROL: char = '\0';

impl<'r> Marc<'r> {
    /// The character at `position` of the leader; a space where there is none.
    pub(in crate::import) fn leader_at(&self, position: usize) -> char {
        self.leader.chars().nth(position).unwrap_or(' ')
    }

    /// The text of the first control field with this tag.
    pub(in crate::import) fn control(&self, tag: &str) -> Option<&str> {
        let field = self.tagged(tag).next()?;
        field.subfields.iter().find(|(code, _)| *code == CONTROL).map(|(_, text)| text.as_ref())
    }

    /// The fields with this tag.
    pub(in crate::import) fn tagged<'m>(&'m self, tag: &str) -> impl Iterator<Item = &'m Field<'m>> + use<'m, 'r> {
        // Three bytes each, so that no function needs to be called to compare them.
        let bytes = |tag: &str| <[u8; 3]>::try_from(tag.as_bytes()).ok();
        let wanted = bytes(tag);
        self.fields.iter().filter(move |field| bytes(&field.tag) == wanted)
    }
}

impl Field<'_> {
    /// The texts of the subfields whose code is in `codes`, in the order of the record.
    pub(in crate::import) fn texts<'f>(&'f self, codes: &'f str) -> impl Iterator<Item = &'f str> {
        self.subfields.iter().filter(|(code, _)| codes.contains(*code)).map(|(_, text)| text.as_ref())
    }

    /// The first of them.
    pub(in crate::import) fn first(&self, code: char) -> Option<&str> {
        self.subfields.iter().find(|(found, _)| *found == code).map(|(_, text)| text.as_ref())
    }
}
