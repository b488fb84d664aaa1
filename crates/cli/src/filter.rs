//! Which books may be found, as it is typed.

use crate::error::Error;
use clap::builder::TypedValueParser;
use libellus_search::Filter;

/// The flags that leave books out.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which books")]
pub struct FilterArgs {
    /// Only books with this value: language=de, subject, author, series, format, audience, availability, decade, or a field
    /// that LIBELLUS_FACETS names. Of one field any value will do, of several fields each must hold
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_and_value())]
    filter: Vec<(String, String)>,
    /// Only books of these years: 1813, 1800-1899, 1990- or -1800
    #[arg(long, value_name = "YEARS", allow_hyphen_values = true)]
    years: Option<String>,
    /// Only books for a reader of this age; those of which nobody says for what age they are, are left out
    #[arg(long, value_name = "YEARS")]
    age: Option<u8>,
    /// With --age, books of unknown age too
    #[arg(long, requires = "age")]
    unknown_age: bool,
}

impl FilterArgs {
    /// The filter.
    pub fn filter(&self) -> Result<Filter, Error> {
        let mut filter = Filter { age: self.age, unknown_age: self.unknown_age, ..Filter::default() };
        self.filter.iter().for_each(|(field, value)| filter.add(field, value.as_str()));
        if let Some(years) = &self.years {
            (filter.year_from, filter.year_to) = parse_years(years).ok_or_else(|| Error::Years(years.clone()))?;
        }
        Ok(filter)
    }
}

fn field_and_value() -> impl TypedValueParser<Value = (String, String)> {
    clap::builder::NonEmptyStringValueParser::new().try_map(|typed| match typed.split_once('=') {
        Some((field, value)) if !field.trim().is_empty() && !value.trim().is_empty() => {
            Ok((field.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a field, `=` and a value are wanted, for example `language=de`"),
    })
}

/// The first and the last year; `None` if it is no span of years. Years before our era have a minus of their own.
fn parse_years(typed: &str) -> Option<(Option<i32>, Option<i32>)> {
    let typed = typed.trim();
    if let Some(from) = typed.strip_suffix('-') {
        return Some((Some(from.parse().ok()?), None));
    }
    // Not the first character: it may be the minus of a year.
    match typed.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| typed.split_at(at)) {
        Some((from, to)) => Some((Some(from.parse().ok()?), Some(to[1..].parse().ok()?))),
        None => match typed.strip_prefix('-') {
            Some(to) => Some((None, Some(to.parse().ok()?))),
            None => typed.parse().ok().map(|year| (Some(year), Some(year))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_years_are_read() {
        for (typed, expected) in [
            ("1813", Some((Some(1813), Some(1813)))),
            ("1800-1899", Some((Some(1800), Some(1899)))),
            ("1990-", Some((Some(1990), None))),
            ("-1800", Some((None, Some(1800)))),
            ("-700--600", Some((Some(-700), Some(-600)))),
            ("-700-100", Some((Some(-700), Some(100)))),
            ("", None),
            ("-", None),
            ("1800-x", None),
            ("MCMX", None),
        ] {
            assert_eq!(parse_years(typed), expected, "{typed}");
        }
    }
}
