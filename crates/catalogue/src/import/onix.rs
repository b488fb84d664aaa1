//! ONIX for Books 3, what publishers send to the trade (<https://www.editeur.org/93/Release-3.0-Downloads/>), with
//! reference names (`<ProductForm>`) or short tags (`<b012>`). Prices, markets and supply are not for readers.

use super::header::{Field, Target};
use super::record::RawRecord;
use super::xml::Element;
use super::{Place, Reject, Step, html};
use serde_json::Value;

/// Whether XML is ONIX: the message's name in either notation.
pub(super) fn is_onix(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    ["<ONIXMessage", "<ONIXmessage", "<Product>", "<product>"].iter().any(|mark| text.contains(mark))
}

/// Short tags of what is read.
const SHORT: &[(&str, &str)] = &[
    ("RecordReference", "a001"),
    ("NotificationType", "a002"),
    ("ProductIDType", "b221"),
    ("IDValue", "b244"),
    ("ProductForm", "b012"),
    ("TitleType", "b202"),
    ("TitleText", "b203"),
    ("TitlePrefix", "b030"),
    ("TitleWithoutPrefix", "b031"),
    ("Subtitle", "b029"),
    ("PartNumber", "x410"),
    ("ContributorRole", "b035"),
    ("PersonName", "b036"),
    ("PersonNameInverted", "b037"),
    ("NamesBeforeKey", "b039"),
    ("KeyNames", "b040"),
    ("CorporateName", "b047"),
    ("LanguageRole", "b253"),
    ("LanguageCode", "b252"),
    ("SubjectSchemeIdentifier", "b067"),
    ("SubjectHeadingText", "b070"),
    ("AudienceCodeType", "b204"),
    ("AudienceCodeValue", "b206"),
    ("TextType", "x426"),
    ("Text", "d104"),
    ("PublisherName", "b081"),
    ("PublishingDateRole", "x448"),
    ("Date", "b306"),
    ("ExtentType", "b218"),
    ("ExtentValue", "b219"),
];

/// What the XML of a product says of a book.
pub(super) fn record(xml: &str, place: Place) -> Step {
    let product = match Element::parse(xml) {
        Ok(product) => product,
        Err(reason) => return Step::Rejected(Reject { place, id: None, field: None, reason }),
    };
    let id = product.value("RecordReference");
    let isbns: Vec<String> = (product.all("ProductIdentifier").into_iter())
        .filter(|identifier| identifier.is("ProductIDType", &["15", "02", "03"]))
        .filter_map(|identifier| identifier.value("IDValue"))
        .collect();
    if let (true, Some(id)) = (product.is("NotificationType", &["05"]), &id) {
        return Step::Deleted(id.clone());
    }
    let mut record = RawRecord::new(place, xml.len());
    let mut push =
        |name: &str, field, value: Value| record.push(name.to_owned(), Target::Field { field, rank: 0 }, value);
    push("RecordReference", Field::Id, id.map_or(Value::Null, Value::from));
    push("ProductIdentifier", Field::Isbns, Value::from(isbns));

    let collections = product.all("Collection");
    let titles: Vec<&Element> = (product.all("TitleDetail").into_iter())
        .filter(|title| title.is("TitleType", &["01"]))
        .filter(|title| !collections.iter().any(|collection| collection.contains(title)))
        .collect();
    if let Some(title) = titles.first() {
        push("TitleText", Field::Title, title.title().map_or(Value::Null, Value::from));
        push("Subtitle", Field::Subtitle, title.value("Subtitle").map_or(Value::Null, Value::from));
    }
    let (mut authors, mut contributors) = (Vec::new(), Vec::new());
    for contributor in product.all("Contributor") {
        let Some(name) = contributor.name_of_contributor() else { continue };
        let role = contributor.value("ContributorRole").unwrap_or_default();
        // A01 to A10 write; what they write differs.
        let is_author = role.is_empty() || matches!(role.as_str(), "A01" | "A02" | "A03" | "A09" | "A10");
        match role.as_str() {
            _ if is_author => authors.push(name),
            "A12" => contributors.push(format!("{name} (illustrator)")),
            "B01" => contributors.push(format!("{name} (editor)")),
            "B06" => contributors.push(format!("{name} (translator)")),
            _ => contributors.push(name),
        }
    }
    push("Contributor", Field::Authors, Value::from(authors));
    let publisher = product.value("PublisherName");
    push("PublisherName", Field::Publisher, publisher.map_or(Value::Null, Value::from));
    let date = (product.all("PublishingDate").into_iter()).find(|date| date.is("PublishingDateRole", &["01", "11"]));
    // `20240131`: four digits alone are a year.
    let year = date.and_then(|date| date.value("Date")).map(|date| date.chars().take(4).collect::<String>());
    push("PublishingDate", Field::Year, year.map_or(Value::Null, Value::from));
    let language = (product.all("Language").into_iter()).find(|language| language.is("LanguageRole", &["01"]));
    push(
        "Language",
        Field::Language,
        language.and_then(|language| language.value("LanguageCode")).map_or(Value::Null, Value::from),
    );
    let mut subjects = Vec::new();
    for subject in product.all("Subject") {
        let Some(text) = subject.value("SubjectHeadingText") else { continue };
        // Keywords come in one text.
        let is_keywords = subject.is("SubjectSchemeIdentifier", &["20"]);
        let separators: &[char] = if is_keywords { &[';', ','] } else { &[] };
        subjects.extend(text.split(separators).map(|part| part.trim().to_owned()));
    }
    push("Subject", Field::Subjects, Value::from(subjects));
    let audience = (product.all("Audience").into_iter())
        .filter(|audience| audience.is("AudienceCodeType", &["01"]))
        .find_map(|audience| match audience.value("AudienceCodeValue")?.as_str() {
            "01" | "05" | "06" => Some("adult"),
            "02" => Some("children"),
            "03" => Some("young adult"),
            _ => None,
        });
    push("Audience", Field::Audience, audience.map_or(Value::Null, Value::from));
    let text = |kind: &str| {
        let content = product.all("TextContent").into_iter().find(|content| content.is("TextType", &[kind]))?;
        content.all("Text").first().map(|text| html::to_text(&text.text()))
    };
    push("TextContent", Field::Description, text("03").or_else(|| text("02")).map_or(Value::Null, Value::from));

    let series = collections.iter().filter_map(|collection| {
        let number = collection.value("PartNumber").map(|number| format!(" ; {number}")).unwrap_or_default();
        collection.title().map(|title| format!("{title}{number}"))
    });
    let series = Value::from(series.collect::<Vec<_>>());
    let form = product.value("ProductForm").and_then(|form| match form.get(..1)? {
        "B" => Some("print"),
        "E" => Some("ebook"),
        "A" => Some("audiobook"),
        _ => None,
    });
    let pages = (product.all("Extent").into_iter()).find(|extent| extent.is("ExtentType", &["00", "07", "11"]));
    let pages = pages.and_then(|extent| extent.value("ExtentValue"));
    for (name, value) in [
        ("contributors", Value::from(contributors)),
        ("series", series),
        ("format", form.map_or(Value::Null, Value::from)),
        ("pages", pages.map_or(Value::Null, Value::from)),
        ("contents", text("04").map_or(Value::Null, Value::from)),
    ] {
        record.push(name.to_owned(), Target::Extra, value);
    }
    Step::Record(record)
}

impl Element {
    fn has_name(&self, name: &str) -> bool {
        let is_short = || SHORT.iter().any(|(reference, short)| *reference == name && *short == self.name);
        // Composites have the same name in lower case.
        self.name.eq_ignore_ascii_case(name) || is_short()
    }

    /// All elements of this name within, in their order; not those within one another, nor of related products.
    fn all(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        for element in self.elements().filter(|element| !element.name.eq_ignore_ascii_case("RelatedMaterial")) {
            if element.has_name(name) {
                found.push(element);
            } else {
                found.extend(element.all(name));
            }
        }
        found
    }

    /// The text of the first one, if it has any.
    fn value(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|element| element.text().trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn is(&self, name: &str, values: &[&str]) -> bool {
        self.value(name).is_some_and(|value| values.contains(&value.as_str()))
    }

    fn contains(&self, other: &Element) -> bool {
        self.elements().any(|element| std::ptr::eq(element, other) || element.contains(other))
    }

    fn title(&self) -> Option<String> {
        let without = self.value("TitleWithoutPrefix");
        let whole = without.map(|title| match self.value("TitlePrefix") {
            Some(prefix) => format!("{prefix} {title}"),
            None => title,
        });
        self.value("TitleText").or(whole)
    }

    fn name_of_contributor(&self) -> Option<String> {
        let parts = || {
            let key = self.value("KeyNames")?;
            Some(self.value("NamesBeforeKey").map_or(key.clone(), |before| format!("{before} {key}")))
        };
        self.value("PersonName")
            .or_else(parts)
            .or_else(|| self.value("PersonNameInverted"))
            .or_else(|| self.value("CorporateName"))
    }
}
