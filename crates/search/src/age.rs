//! For readers of what age a book is, from what its record says.
//!
//! Records say it in many ways: `8+`, `ages 9-12`, `juvenile`, `Young Adult`. What is wanted is one number, the age from
//! which on it is meant to be read, so that a child of nine sees what is for nine and below. Where nobody says, it stays
//! unknown: silence is not consent.

use libellus_catalogue::{Book, ExtraField};
use libellus_index::{fold, words};

/// Ages above this are not ages.
const OLDEST: u8 = 99;
/// Words that say for whom a book is, and from what age on. The first that is found counts.
const READERS: [(&[&str], u8); 3] = [
    (
        &[
            "young adult",
            "ya",
            "teen",
            "teens",
            "teenager",
            "teenagers",
            "adolescent",
            "adolescents",
            "youth",
            "jugend",
        ],
        12,
    ),
    (&["adult", "adults", "erwachsene", "adulte", "adultes", "adultos", "general"], 18),
    (
        &[
            "children",
            "childrens",
            "child",
            "kids",
            "juvenile",
            "preschool",
            "primary",
            "toddlers",
            "baby",
            "babies",
            "kinder",
            "enfants",
            "ninos",
            "infantil",
            "middle grade",
        ],
        0,
    ),
];

/// The age from which on a book is meant to be read; `None` if its record does not say.
pub(crate) fn least_age(book: &Book) -> Option<u8> {
    let ages = ExtraField::Ages.of(book);
    ages.iter().find_map(|text| number(text)).or_else(|| book.audience.as_deref().and_then(of_audience))
}

fn of_audience(text: &str) -> Option<u8> {
    let folded = words(&fold(text)).collect::<Vec<_>>().join(" ");
    let says = |phrase: &&str| format!(" {folded} ").contains(&format!(" {phrase} "));
    let is_level = ["grade", "grades", "level", "lexile"].iter().any(says);
    let number = number(text).filter(|_| !is_level);
    number.or_else(|| READERS.iter().find(|(phrases, _)| phrases.iter().any(says)).map(|(_, age)| *age))
}

/// The first number of a text.
fn number(text: &str) -> Option<u8> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok().filter(|age| *age <= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_say_it_in_many_ways() {
        let cases = [
            (json!({"audience": "children"}), Some(0)),
            (json!({"audience": "Children's"}), Some(0)),
            (json!({"audience": "Young Adult"}), Some(12)),
            (json!({"audience": "adult"}), Some(18)),
            (json!({"audience": "Juvenile audience"}), Some(0)),
            (json!({"audience": "ages 9-12"}), Some(9)),
            (json!({"audience": "grades 3-5"}), None),
            (json!({"audience": "reading level 4.2"}), None),
            (json!({"audience": "everyone"}), None),
            (json!({"audience": "adult", "min_age": 16}), Some(16)),
            (json!({"audience": "adult", "Reading age": "8+"}), Some(8)),
            (json!({"ages": "1990"}), None),
            (json!({}), None),
        ];
        for (fields, expected) in cases {
            let mut record = json!({"id": "1", "title": "T", "extra": {}});
            for (name, value) in fields.as_object().expect("an object") {
                let part = if name == "audience" { &mut record } else { &mut record["extra"] };
                part[name] = value.clone();
            }
            let book: Book = serde_json::from_value(record).expect("a book");
            assert_eq!(least_age(&book), expected, "{fields}");
        }
    }
}
