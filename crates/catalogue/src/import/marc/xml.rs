//! MARCXML (<https://www.loc.gov/standards/marcxml/>): the same record in XML; white space in control fields counts.

use super::book;
use super::record::{CONTROL, Field, Marc};
use crate::import::xml::Element;
use crate::import::{Place, Reject, Step};

/// What the XML of a record says of a book.
pub(in crate::import) fn record(xml: &str, place: Place) -> Step {
    let rejected = |reason| Step::Rejected(Reject { place, id: None, field: None, reason });
    let element = match Element::parse(xml) {
        Ok(element) => element,
        Err(reason) => return rejected(reason),
    };
    let mut marc = Marc::default();
    for child in element.elements() {
        match child.name.as_str() {
            "leader" => marc.leader = child.text().into(),
            "controlfield" => {
                marc.fields.push(Field { subfields: vec![(CONTROL, child.text().into())], ..field(child) })
            }
            "datafield" => marc.fields.push(field(child)),
            _ => {}
        }
    }
    if marc.fields.is_empty() {
        // OAI-PMH says so of what was deleted, and names it otherwise than its record did.
        return rejected("the record holds no MARC fields".to_owned());
    }
    book::step(marc, place, xml.len())
}

fn field(element: &Element) -> Field<'static> {
    let indicator = |name| element.attribute(name).and_then(|value| value.chars().next()).unwrap_or(' ');
    let subfields = element.elements().filter(|child| child.name == "subfield");
    let code = |child: &Element| child.attribute("code").and_then(|code| code.chars().next()).unwrap_or('a');
    Field {
        tag: element.attribute("tag").unwrap_or_default().to_owned().into(),
        indicators: [indicator("ind1"), indicator("ind2")],
        subfields: subfields.map(|child| (code(child), child.text().into())).collect(),
    }
}
