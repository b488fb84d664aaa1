//! The texts to embed, in every form in which clients send them.
//!
//! A text, a list of texts, the ids of a text's tokens, or a list of such ids. They are read as they come, without a
//! tree of JSON in between: a body of token ids would take many times its size.

use libellus_search::EmbeddingInput;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt;

/// The most texts of a request, as OpenAI has it.
pub(crate) const MAX_INPUTS: usize = 2048;

const EXPECTED: &str = "a text, a list of texts, a list of token ids, or a list of lists of token ids";

/// The texts of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inputs(pub(crate) Vec<EmbeddingInput>);

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Inputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Inputs, E> {
        Ok(Inputs(vec![EmbeddingInput::Text(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Inputs, A::Error> {
        let (mut inputs, mut ids) = (Vec::new(), Vec::new());
        while let Some(item) = items.next_element()? {
            match item {
                Item::Id(id) => ids.push(id),
                Item::Input(_) if inputs.len() == MAX_INPUTS => {
                    return Err(A::Error::custom(format_args!("more than {MAX_INPUTS} inputs; send them in parts")));
                }
                Item::Input(input) => inputs.push(input),
            }
            if !ids.is_empty() && !inputs.is_empty() {
                return Err(A::Error::custom(format_args!("a list of different things, expected {EXPECTED}")));
            }
        }
        match (ids.is_empty(), inputs.is_empty()) {
            (true, true) => Err(A::Error::custom("there is no input; send at least one text")),
            (true, false) => Ok(Inputs(inputs)),
            (false, _) => Ok(Inputs(vec![EmbeddingInput::TokenIds(ids)])),
        }
    }
}

/// An element of a list.
enum Item {
    Id(u32),
    Input(EmbeddingInput),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneItem)
    }
}

struct OneItem;

impl<'de> Visitor<'de> for OneItem {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token id, or a list of token ids")
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Input(EmbeddingInput::Text(text.to_owned())))
    }

    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<Item, E> {
        u32::try_from(id).map(Item::Id).map_err(|_| E::custom(format_args!("{id} is no token id")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = items.next_element()? {
            ids.push(id);
        }
        Ok(Item::Input(EmbeddingInput::TokenIds(ids)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EmbeddingInput::{Text, TokenIds};

    #[test]
    fn every_form_is_read() {
        let text = |text: &str| Text(text.to_owned());
        for (json, expected) in [
            (r#""a""#, vec![text("a")]),
            (r#""""#, vec![text("")]),
            (r#"["a", "b"]"#, vec![text("a"), text("b")]),
            ("[1, 2]", vec![TokenIds(vec![1, 2])]),
            ("[[1, 2], [3], []]", vec![TokenIds(vec![1, 2]), TokenIds(vec![3]), TokenIds(vec![])]),
        ] {
            assert_eq!(serde_json::from_str::<Inputs>(json).expect(json).0, expected, "{json}");
        }
    }

    #[test]
    fn other_forms_are_named() {
        let many = format!("[{}]", vec![r#""a""#; MAX_INPUTS + 1].join(","));
        for (json, expected) in [
            ("[]", "there is no input"),
            ("3", "invalid type: integer `3`, expected a text"),
            ("null", "invalid type: null"),
            (r#"{"a": 1}"#, "invalid type: map"),
            (r#"["a", 1]"#, "a list of different things"),
            (r#"[1, "a"]"#, "a list of different things"),
            ("[-1]", "invalid type: integer `-1`, expected a text, a token id"),
            ("[1.5]", "invalid type: floating point"),
            ("[4294967296]", "4294967296 is no token id"),
            ("[[[1]]]", "invalid type: sequence"),
            ("[null]", "invalid type: null"),
            (&many, "more than 2048 inputs"),
        ] {
            let message = serde_json::from_str::<Inputs>(json).expect_err(json).to_string();
            assert!(message.starts_with(expected), "{json:.60}: {message}");
        }
    }
}
