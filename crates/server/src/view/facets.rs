//! The part of a page of results by which they are narrowed down.

use super::Words;
use crate::parameters::{SearchParameters, parameter_of};
use libellus_search::{FacetCounts, Filter, Sort};
use std::collections::BTreeSet;

/// So many values of a field are offered, beside those that are chosen.
const OFFERED: usize = 8;

/// The form that narrows an answer down.
pub(super) struct Narrowing {
    /// What the form sends along: names and values.
    pub(super) kept: Vec<(String, String)>,
    pub(super) fields: Vec<FieldView>,
    pub(super) year_from: String,
    pub(super) year_to: String,
    pub(super) orders: Vec<OrderView>,
    /// How many conditions hold, in words; empty if none.
    pub(super) chosen: String,
    /// The same search without them.
    pub(super) clear_url: String,
}

/// A field.
pub(super) struct FieldView {
    pub(super) label: String,
    /// Of the parameter.
    pub(super) name: String,
    pub(super) values: Vec<ValueView>,
}

/// A value that can be chosen.
pub(super) struct ValueView {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) books: String,
    /// The same for those who hear it.
    pub(super) said: String,
    pub(super) is_chosen: bool,
}

/// An order that can be chosen.
pub(super) struct OrderView {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    pub(super) is_chosen: bool,
}

impl Narrowing {
    /// Of what was asked, and what the answer has in common.
    pub(super) fn new(asked: &SearchParameters, counts: &[FacetCounts], words: Words) -> Self {
        let plain = SearchParameters { filter: Filter::default(), after: None, sort: Sort::default(), ..asked.clone() };
        let fields: Vec<FieldView> =
            counts.iter().map(|counts| FieldView::new(asked, counts, words)).filter(FieldView::is_of_use).collect();
        // What the form has no field for, an age for instance, stays as it is.
        let mut rest = Filter { year_from: None, year_to: None, ..asked.filter.clone() };
        rest.any_of.retain(|field, _| fields.iter().all(|shown| shown.name != parameter_of(field)));
        let year = |year: Option<i32>| year.map(|year| year.to_string()).unwrap_or_default();
        let filter = &asked.filter;
        let n_chosen = filter.any_of.values().map(Vec::len).sum::<usize>()
            + usize::from(filter.year_from.is_some() || filter.year_to.is_some())
            + usize::from(filter.age.is_some());
        Self {
            kept: SearchParameters { filter: rest, ..plain.clone() }.pairs(),
            fields,
            year_from: year(filter.year_from),
            year_to: year(filter.year_to),
            orders: orders(asked.sort, words),
            chosen: if n_chosen > 0 { words.count("conditions", n_chosen as u64) } else { String::new() },
            clear_url: plain.address("/"),
        }
    }
}

impl FieldView {
    fn new(asked: &SearchParameters, counts: &FacetCounts, words: Words) -> Self {
        let FacetCounts { field, values } = counts;
        let chosen = asked.filter.any_of.get(field).map(Vec::as_slice).unwrap_or_default();
        let is_chosen = |value: &str| chosen.iter().any(|chosen| chosen.eq_ignore_ascii_case(value));
        let mut views: Vec<ValueView> = Vec::new();
        for (nth, count) in values.iter().enumerate() {
            let is_chosen = is_chosen(&count.value);
            if nth < OFFERED || is_chosen {
                views.push(ValueView::new(field, &count.value, count.books, is_chosen, words));
            }
        }
        // What was chosen and no book has any more must be there to be given up.
        let counted: BTreeSet<String> = values.iter().map(|count| count.value.to_ascii_lowercase()).collect();
        let gone = chosen.iter().filter(|value| !counted.contains(&value.to_ascii_lowercase()));
        views.extend(gone.map(|value| ValueView::new(field, value, 0, true, words)));
        Self { label: label(field, words), name: parameter_of(field), values: views }
    }

    /// Whether there is something to choose, or to give up.
    fn is_of_use(&self) -> bool {
        self.values.len() > 1 || self.values.iter().any(|value| value.is_chosen)
    }
}

impl ValueView {
    fn new(field: &str, value: &str, books: usize, is_chosen: bool, words: Words) -> Self {
        let (label, books) = (value_label(field, value, words), books as u64);
        Self {
            value: value.to_owned(),
            label,
            books: words.number(books),
            said: words.count("books", books),
            is_chosen,
        }
    }
}

/// A value as readers know it.
pub(super) fn value_label(field: &str, value: &str, words: Words) -> String {
    match field {
        "language" => words.language(value).to_owned(),
        "decade" => match value.strip_prefix('-') {
            Some(years) => words.fill("decade.bce", &[("n", years)]),
            None => words.fill("decade", &[("n", value)]),
        },
        _ => value.to_owned(),
    }
}

/// A field's name: a known one in words, any other with a capital.
pub(super) fn label(field: &str, words: Words) -> String {
    if let Some(known) = words.find(&format!("field.{field}")) {
        return known.to_owned();
    }
    let mut chars = field.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

fn orders(chosen: Sort, words: Words) -> Vec<OrderView> {
    let label = |sort| match sort {
        Sort::Relevance => words.text("order.relevance"),
        Sort::Newest => words.text("order.newest"),
        Sort::Oldest => words.text("order.oldest"),
        Sort::Title => words.text("order.title"),
    };
    let view = |sort: Sort| OrderView { value: sort.as_str(), label: label(sort), is_chosen: sort == chosen };
    Sort::ALL.into_iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_search::ValueCount;

    fn counts(field: &str, values: &[(&str, usize)]) -> FacetCounts {
        let count = |(value, books): &(&str, usize)| ValueCount { value: (*value).to_owned(), books: *books };
        FacetCounts { field: field.to_owned(), values: values.iter().map(count).collect() }
    }

    #[test]
    fn what_is_chosen_stays_and_can_be_given_up() {
        let asked = SearchParameters::parse(Some(
            "q=sea&language=te&language=EN&author=Ann&mode=keyword&age=9&year_to=1900&sort=title",
        ))
        .expect("all in order");
        let answer = [
            counts("language", &[("en", 1200), ("de", 3)]),
            counts("format", &[("print", 5)]),
            counts("shelf", &[("A", 2), ("B", 1)]),
            counts("decade", &[("1810", 1), ("-10", 1)]),
        ];
        let narrowing = Narrowing::new(&asked, &answer, Words::default());
        let shown: Vec<(String, String)> = narrowing
            .fields
            .iter()
            .map(|field| {
                let value = |value: &ValueView| {
                    let mark = if value.is_chosen { "*" } else { "" };
                    format!("{mark}{} {}", value.label, value.books)
                };
                (
                    format!("{} {}", field.label, field.name),
                    field.values.iter().map(value).collect::<Vec<_>>().join(", "),
                )
            })
            .collect();
        let expected = [
            ("Language language", "*English 1,200, German 3, *Telugu 0"),
            ("Shelf filter.shelf", "A 2, B 1"),
            ("Decade decade", "1810s 1, 10s BCE 1"),
        ];
        assert_eq!(shown, expected.map(|(field, values)| (field.to_owned(), values.to_owned())));
        assert_eq!((narrowing.year_from.as_str(), narrowing.year_to.as_str()), ("", "1900"));
        assert_eq!(narrowing.chosen, "5 conditions");
        assert_eq!(narrowing.clear_url, "/?q=sea&mode=keyword");
        let kept: Vec<String> = narrowing.kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(kept, ["q=sea", "mode=keyword", "author=Ann", "age=9"]);
        assert!(narrowing.orders.iter().any(|order| order.value == "title" && order.is_chosen));
    }
}
