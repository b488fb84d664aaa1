//! The text that another program embedded, as a template: `{title}. {description}`.
//!
//! It is not known, so several are tried. What stands before a value that a book does not have is left out with it.

use super::SourceRow;

/// How a book's text was put together from its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// Literal text, and the name of the value after it.
    parts: Vec<(String, String)>,
    end: String,
}

/// What is tried, the likeliest first. White space of any kind is one space to the models.
const USUAL: &[&str] = &[
    "{title} {description}",
    "{title}. {description}",
    "{title}: {description}",
    "{title} - {description}",
    "{description}",
    "{title}",
    "{title} {authors} {description}",
    "{title}. {authors}. {description}",
    "{title} by {authors}. {description}",
    "{title} by {authors}: {description}",
    "{title} by {authors} {description}",
    "{title} by {authors}",
    "{title} {authors}",
    "{title} {authors} {description} {subjects}",
    "{title} {authors} {subjects} {description}",
    "{title}. {authors}. {description}. {subjects}",
    "{title}. {authors}. {subjects}. {description}",
    "{title} {description} {subjects}",
    "{title}. {description}. {subjects}",
    "{title} {subjects} {description}",
    "{title}. {subjects}. {description}",
    "Title: {title}. Author: {authors}. Description: {description}",
    "Title: {title} Author: {authors} Description: {description}",
    "Title: {title}. Description: {description}",
];

impl Template {
    /// Reads a template; `None` if a brace is not closed, or no value is named.
    #[must_use]
    pub fn parse(source: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), source);
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            parts.push((literal.to_owned(), name.trim().to_owned()));
            rest = after;
        }
        let is_whole = !parts.is_empty() && parts.iter().all(|(_, name)| !name.is_empty());
        is_whole.then(|| Self { source: source.to_owned(), parts, end: rest.to_owned() })
    }

    /// The usual ones among those whose values there are.
    #[must_use]
    pub fn usual(has: impl Fn(&str) -> bool) -> Vec<Self> {
        let all = USUAL.iter().filter_map(|source| Self::parse(source));
        all.filter(|template| template.names().all(&has)).collect()
    }

    /// The names of its values: a field of a book, or a column.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(_, name)| name.as_str())
    }

    /// The template as it was typed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of a row, with single spaces for white space.
    #[must_use]
    pub fn text(&self, row: &SourceRow) -> String {
        let mut text = String::new();
        for (literal, name) in &self.parts {
            let Some(value) = row.text(name) else { continue };
            // Before the first value that is there, only a template's own beginning makes sense.
            if !text.is_empty() || literal == &self.parts[0].0 {
                text += literal;
            }
            text += &value;
        }
        if !text.is_empty() {
            text += &self.end;
        }
        one_spaced(&text)
    }

    /// Whether this text is that of a row, to a model for which white space is but a border.
    fn is_text_of(&self, text: &str, row: &SourceRow) -> bool {
        one_spaced(text) == self.text(row)
    }
}

/// The name of libellus' own text, where a template's source would stand.
pub const OWN_TEXT: &str = "libellus";

/// Whether what another program embedded of a row, a template's text or with `None` libellus' own, is the very text that
/// libellus embeds of its book: `passages` are the texts of those, and a book of several has no such text.
pub fn is_embedded_text(
    template: Option<&Template>,
    passages: impl IntoIterator<Item = impl AsRef<str>>,
    row: &SourceRow,
) -> bool {
    let mut passages = passages.into_iter();
    let (Some(only), None) = (passages.next(), passages.next()) else { return false };
    template.is_none_or(|template| template.is_text_of(only.as_ref(), row))
}

fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_stand_where_they_belong_and_leave_no_gaps() {
        let row = |values: serde_json::Value| SourceRow::of_values(values);
        let full =
            row(json!({"title": " Dune ", "authors": ["Frank Herbert", "Another"], "description": "Sand\nand spice."}));
        let bare = row(json!({"title": "Dune", "authors": null, "description": " "}));
        for (template, expected, without) in [
            ("{title}. {description}", "Dune . Sand and spice.", "Dune"),
            ("{title} by {authors}: {description}", "Dune by Frank Herbert, Another: Sand and spice.", "Dune"),
            ("{authors}: {title}", "Frank Herbert, Another: Dune", "Dune"),
            ("Title: {title}. Text: {description}", "Title: Dune . Text: Sand and spice.", "Title: Dune"),
            ("{description}!", "Sand and spice.!", ""),
        ] {
            let template = Template::parse(template).expect(template);
            assert_eq!(template.text(&full), expected.replace(" . ", ". "), "{}", template.source());
            assert_eq!(template.text(&bare), without, "{}", template.source());
        }
        for wrong in ["", "title", "{title", "{}", "{ }"] {
            assert_eq!(Template::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_templates_whose_values_there_are_are_tried() {
        let sources = |has: &[&str]| -> Vec<String> {
            Template::usual(|name| has.contains(&name)).iter().map(|template| template.source().to_owned()).collect()
        };
        assert_eq!(sources(&["title"]), ["{title}"]);
        assert!(sources(&["title", "description"]).iter().all(|source| !source.contains("authors")));
        assert_eq!(sources(&["title", "description", "authors", "subjects"]).len(), USUAL.len());
    }
}
