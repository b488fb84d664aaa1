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
        token_id(id).map(Item::Id)
    }

    fn visit_f64<E: serde::de::Error>(self, id: f64) -> Result<Item, E> {
        self.visit_u64(whole(id)?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let mut ids = Vec::new();
        while let Some(Whole(id)) = items.next_element()? {
            ids.push(token_id(id)?);
        }
        Ok(Item::Input(EmbeddingInput::TokenIds(ids)))
    }
}

fn token_id<E: serde::de::Error>(id: u64) -> Result<u32, E> {
    u32::try_from(id).map_err(|_| E::custom(format_args!("{id} is no token id")))
}

/// A whole number of a request. JSON knows one kind of numbers, and some clients write `384.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumber)
    }
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Whole, E> {
        whole(number).map(Whole)
    }
}

/// `number`, if it is whole and not too large to be told from its neighbours.
fn whole<E: serde::de::Error>(number: f64) -> Result<u64, E> {
    let is_whole = number.fract() == 0.0 && (0.0..=u32::MAX.into()).contains(&number);
    if is_whole { Ok(number as u64) } else { Err(E::custom(format_args!("{number} is not a whole number"))) }
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
            ("[1, 2.0]", vec![TokenIds(vec![1, 2])]),
            ("[[1, 2], [3.0], []]", vec![TokenIds(vec![1, 2]), TokenIds(vec![3]), TokenIds(vec![])]),
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
            ("[1.5]", "1.5 is not a whole number"),
            ("[[1e99]]", "1000000"),
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
