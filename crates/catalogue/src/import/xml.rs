//! XML catalogues, one record at a time.
//!
//! Whatever is around the records (a collection, an OAI-PMH or SRU answer) does not matter: a record is what stands
//! between the start and the end of its element. It is cut out first and parsed then, so that one that is not well-formed
//! costs the others nothing, and memory stays bounded. Entities that a document declares are never expanded.

use super::header::Mapping;
use super::source::Source;
use super::{MAX_RECORD_BYTES, Place, RecordReader, Reject, Step};
use crate::Error;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// Makes something of a record's XML, its own element included.
pub(super) type Parse = fn(&str, Place) -> Step;

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    /// Local names of the elements that are records.
    names: &'static [&'static str],
    parse: Parse,
    line: u64,
    /// A tag, from its `<`.
    tag: Vec<u8>,
    record: Vec<u8>,
}

/// What a tag is to a record.
enum Tag {
    Start,
    End,
    Other,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>, names: &'static [&'static str], parse: Parse) -> Self {
        Self { source, mapping: Mapping::default(), names, parse, line: 1, tag: Vec::new(), record: Vec::new() }
    }

    /// Reads on behind the next `mark`; into the record if `keep`. False at the end of the file.
    fn pass(&mut self, mark: u8, keep: Keep) -> Result<bool, Error> {
        loop {
            let text = self.source.fill()?;
            if text.is_empty() {
                return Ok(false);
            }
            let end = text.iter().position(|&byte| byte == mark);
            let part = &text[..end.map_or(text.len(), |end| end + 1)];
            self.line += part.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let buffer = match keep {
                Keep::Nothing => None,
                Keep::Tag => Some(&mut self.tag),
                Keep::Record => Some(&mut self.record),
            };
            if let Some(buffer) = buffer
                && buffer.len() <= MAX_RECORD_BYTES
            {
                buffer.extend_from_slice(part);
            }
            let length = part.len();
            self.source.consume(length);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// Reads a tag into `self.tag`, behind its `<`; a comment or a CDATA section to its own end.
    fn read_tag(&mut self) -> Result<bool, Error> {
        self.tag.clear();
        self.tag.push(b'<');
        loop {
            if !self.pass(b'>', Keep::Tag)? {
                return Ok(false);
            }
            let tag = &self.tag;
            let is_whole = if tag.starts_with(b"<!--") {
                tag.len() >= 7 && tag.ends_with(b"-->")
            } else if tag.starts_with(b"<![CDATA[") {
                tag.ends_with(b"]]>")
            } else {
                true
            };
            if is_whole || tag.len() > MAX_RECORD_BYTES {
                return Ok(true);
            }
        }
    }

    fn kind(&self) -> Tag {
        let (name, is_end) = match &self.tag[1..] {
            [b'/', name @ ..] => (name, true),
            name => (name, false),
        };
        let end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
        let name = &name[..end.unwrap_or(name.len())];
        let local = name.iter().position(|&byte| byte == b':').map_or(name, |colon| &name[colon + 1..]);
        match self.names.iter().any(|wanted| wanted.as_bytes() == local) {
            true if is_end => Tag::End,
            true if !self.tag.ends_with(b"/>") => Tag::Start,
            _ => Tag::Other,
        }
    }

    fn refuse_entities(&self) -> Result<(), Error> {
        let declares = self.tag.starts_with(b"<!") && self.tag.windows(8).any(|part| part == b"<!ENTITY");
        if !declares {
            return Ok(());
        }
        let detail = format!(
            "it declares entities of its own (line {}), which are never expanded, as a few bytes of them can make \
             gigabytes; resolve them first, e.g. with `xmllint --noent`, if you trust the file",
            self.line
        );
        Err(Error::NotText { name: self.source.name().to_owned(), detail })
    }

    fn finish(&mut self, line: u64) -> Step {
        let place = Place::Line(line);
        let record = std::mem::take(&mut self.record);
        let rejected = |reason| Step::Rejected(Reject { place, id: None, field: None, reason });
        if record.len() > MAX_RECORD_BYTES {
            return rejected(format!("the record is longer than {} MiB", MAX_RECORD_BYTES >> 20));
        }
        match std::str::from_utf8(&record) {
            Ok(text) => (self.parse)(text, place),
            Err(fault) => rejected(format!("not valid UTF-8 at byte {} of the record", fault.valid_up_to() + 1)),
        }
    }
}

#[derive(Clone, Copy)]
enum Keep {
    Nothing,
    Tag,
    Record,
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        let mut inside = None;
        self.record.clear();
        loop {
            let keep = if inside.is_some() { Keep::Record } else { Keep::Nothing };
            let more = self.pass(b'<', keep)? && {
                self.record.pop();
                self.read_tag()?
            };
            if !more {
                let Some(line) = inside else { return Ok(Step::End) };
                let reason = "the file ends inside this record".to_owned();
                return Ok(Step::Rejected(Reject { place: Place::Line(line), id: None, field: None, reason }));
            }
            self.refuse_entities()?;
            match self.kind() {
                Tag::Start => {
                    // A record inside a record: the outer one is the envelope of OAI-PMH or SRU.
                    self.record.clear();
                    inside = Some(self.line);
                }
                Tag::Other | Tag::End if inside.is_none() => continue,
                Tag::Other | Tag::End => {}
            }
            if self.record.len() <= MAX_RECORD_BYTES {
                self.record.extend_from_slice(&self.tag);
            }
            if let (Tag::End, Some(line)) = (self.kind(), inside) {
                return Ok(self.finish(line));
            }
        }
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

/// An element, with all that is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its prefix.
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

#[derive(Debug)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

/// Elements within elements at most; a record has a handful, and what is deeper is not one.
const MAX_DEPTH: usize = 64;

impl Element {
    /// Reads one element, the outermost of `xml`.
    pub(super) fn parse(xml: &str) -> Result<Self, String> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut open: Vec<Element> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| format!("not well-formed XML: {error}"))?;
            let closed = match event {
                Event::Start(start) if open.len() == MAX_DEPTH => {
                    return Err(format!("`{}` lies deeper than {MAX_DEPTH} elements", start.name().as_ref()));
                }
                Event::Start(start) => {
                    open.push(Self::open(&start)?);
                    continue;
                }
                Event::Empty(start) => Self::open(&start)?,
                Event::End(_) => open.pop().ok_or("not well-formed XML: an end without a start")?,
                Event::Eof => return Err("not well-formed XML: an element does not end".to_owned()),
                event => {
                    if let (Some(element), Some(text)) = (open.last_mut(), text_of(&event)) {
                        element.add_text(text);
                    }
                    continue;
                }
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(Node::Element(closed)),
                None => return Ok(closed),
            }
        }
    }

    fn open(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut element = Self { name: start.local_name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("not well-formed XML: {error}"))?;
            // An entity that XML does not have stays as it is written.
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or(attribute.value.clone());
            element.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    fn add_text(&mut self, more: String) {
        match self.children.last_mut() {
            Some(Node::Text(text)) => text.push_str(&more),
            _ => self.children.push(Node::Text(more)),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All text within; paragraphs, items of lists and line breaks of XHTML each on a line of their own.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.children {
            match node {
                Node::Text(part) => text.push_str(part),
                Node::Element(element) => {
                    let is_block = ["p", "br", "li", "div", "ul", "ol"].contains(&element.name.as_str());
                    text.push_str(if is_block { "\n\n" } else { "" });
                    text.push_str(&element.text());
                    text.push_str(if is_block { "\n\n" } else { "" });
                }
            }
        }
        text
    }
}

/// The text of an event, if it is text. References to characters and to XML's own five entities are resolved; others
/// stay as they are written.
fn text_of(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Text(text) => Some(text.xml10_content().into_owned()),
        Event::CData(text) => Some(text.xml10_content().into_owned()),
        Event::GeneralRef(reference) => {
            let name: &str = reference;
            let character = reference.resolve_char_ref().ok().flatten().map(String::from);
            let entity = quick_xml::escape::resolve_xml_entity(name).map(str::to_owned);
            Some(character.or(entity).unwrap_or_else(|| format!("&{name};")))
        }
        _ => None,
    }
}
