//! Which field of a MARC record is what of a book: the one mapping for both notations.

use super::record::{Field as MarcField, Marc};
use crate::import::header::{Field, Target};
use crate::import::record::RawRecord;
use crate::import::{Place, Reject, Step, field};
use serde_json::Value;
use std::collections::HashSet;

/// What a record says of a book: one to load, one to delete, or one that cannot be used.
pub(super) fn step(marc: Marc<'_>, place: Place, bytes: usize) -> Step {
    let id = id(&marc);
    if marc.leader_at(5) == 'd' {
        return match id {
            Some(id) => Step::Deleted(id),
            None => {
                let reason = "the record is marked as deleted (leader/05), but has no number (001) to find it by";
                Step::Rejected(Reject { place, id: None, field: Some("001".to_owned()), reason: reason.to_owned() })
            }
        };
    }
    if marc.tagged("245").next().is_none() && marc.tagged("200").any(|field| field.first('a').is_some()) {
        let reason = "the title is in field 200: this is UNIMARC, which is not read; export as MARC 21";
        return Step::Rejected(Reject { place, id, field: Some("200".to_owned()), reason: reason.to_owned() });
    }
    let mut maker = Maker { marc: &marc, record: RawRecord::new(place, bytes) };
    for warning in &marc.warnings {
        maker.record.warn(None, warning.clone());
    }
    maker.text("001", Field::Id, id);
    maker.title();
    maker.names();
    maker.numbers();
    maker.imprint();
    maker.languages();
    maker.audience();
    maker.about();
    maker.series();
    maker.form_and_links();
    Step::Record(maker.record)
}

/// The record's number as librarians cite it: `(DLC)12345`, with who assigned it in front.
fn id(marc: &Marc<'_>) -> Option<String> {
    let part = |tag| marc.control(tag).map(field::line).filter(|text| !text.is_empty());
    let number = part("001")?;
    Some(part("003").map_or(number.clone(), |source| format!("({source}){number}")))
}

struct Maker<'m> {
    marc: &'m Marc<'m>,
    record: RawRecord,
}

impl Maker<'_> {
    fn text(&mut self, name: &str, field: Field, text: Option<String>) {
        let Some(text) = text else { return };
        self.record.push(name.to_owned(), Target::Field { field, rank: 0 }, Value::from(text));
    }

    fn list(&mut self, name: &str, field: Field, list: Vec<String>) {
        self.record.push(name.to_owned(), Target::Field { field, rank: 0 }, Value::from(list));
    }

    /// Kept among the extra fields: a text if it is one, else a list.
    fn extra(&mut self, name: &str, list: Vec<String>) {
        let mut list = distinct(list);
        let value = match list.pop() {
            None => return,
            Some(only) if list.is_empty() => Value::from(only),
            Some(last) => {
                list.push(last);
                Value::from(list)
            }
        };
        self.record.push(name.to_owned(), Target::Extra, value);
    }

    fn title(&mut self) {
        let Some(title) = self.marc.tagged("245").next() else { return };
        // A part's number and name belong to the title: "Henry IV. Part 2".
        let proper = title.texts("anp").map(without_punctuation).reduce(|before, part| {
            let mark = if before.ends_with(['.', '!', '?']) { " " } else { ". " };
            format!("{before}{mark}{part}")
        });
        let proper = proper.unwrap_or_default();
        let proper = if proper.is_empty() { join(title, "k") } else { proper };
        let rest = join(title, "b");
        // In the original script, the only one that many readers search in: beside the other title.
        let original = self.linked("245").map(|field| join(field, "abnp"));
        let subtitle =
            std::iter::once(rest).chain(original).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" = ");
        self.text("245", Field::Title, Some(proper.replace("[from old catalog]", "")));
        self.text("245", Field::Subtitle, Some(subtitle));
        let mut others = self.all(&["130", "240"], "anplk");
        others.extend(self.all(&["246", "730", "740"], "abnp"));
        others.extend(self.marc.tagged("700").map(|field| join(field, "tnp")).filter(|text| !text.is_empty()));
        self.extra("alternative titles", others);
    }

    fn names(&mut self) {
        let mut authors = Vec::new();
        let mut contributors = Vec::new();
        for tag in ["100", "110", "111", "700", "710", "711"] {
            for field in self.marc.tagged(tag) {
                let name = name(field);
                let roles = roles(field);
                let is_contained_work = tag.starts_with('7') && field.first('t').is_some();
                if name.is_empty() || is_contained_work {
                } else if tag.starts_with('1')
                    || roles.iter().any(|role| is_authorship(role))
                    || (roles.is_empty() && tag == "700")
                {
                    authors.push(name);
                } else if roles.is_empty() {
                    contributors.push(name);
                } else {
                    contributors.push(format!("{name} ({})", roles.join(", ")));
                }
            }
        }
        self.list("100", Field::Authors, distinct(authors));
        self.extra("contributors", contributors);
        let original = ["100", "110", "111", "700", "710", "711"].iter().flat_map(|tag| self.linked(tag)).map(name);
        self.extra("names in original script", original.collect());
    }

    fn numbers(&mut self) {
        let isbns = self.marc.tagged("020").flat_map(|field| field.texts("a")).map(field::line).collect();
        self.list("020", Field::Isbns, isbns);
        self.extra("issn", self.all(&["022"], "a"));
        self.extra("lccn", self.all(&["010"], "a"));
        let oclc = self.marc.tagged("035").flat_map(|field| field.texts("a")).filter_map(|number| {
            let number = number.trim().strip_prefix("(OCoLC)")?;
            Some(number.trim_start_matches(|c: char| !c.is_ascii_digit() || c == '0').trim().to_owned())
        });
        self.extra("oclc", oclc.collect());
        self.extra("call number", self.all(&["050", "090"], "ab"));
        self.extra("dewey", self.all(&["082", "083"], "a"));
    }

    /// Edition, place, publisher, year, extent.
    fn imprint(&mut self) {
        self.extra("edition", self.all(&["250"], "ab"));
        let publication = |field: &&MarcField<'_>| field.indicators[1] == '1';
        let imprint = self.marc.tagged("264").find(publication).or_else(|| self.marc.tagged("260").next());
        if let Some(imprint) = imprint {
            self.extra("place of publication", imprint.texts("a").map(without_punctuation).collect());
            let publisher = imprint.texts("b").map(without_punctuation).collect::<Vec<_>>().join("; ");
            self.text("260", Field::Publisher, Some(publisher));
        }
        let copyright = self.marc.tagged("264").find(|field| field.indicators[1] == '4');
        let dates = imprint.into_iter().chain(copyright).flat_map(|field| field.texts("c"));
        let coded = self.fixed(7, 4).filter(|year| !year.starts_with("0000"));
        let dates: Vec<String> = dates.map(field::line).chain(coded).collect();
        let year = dates.iter().find_map(|date| field::year(date).or_else(|| roman(date)));
        // A date without a year that can be read is worth a warning; one of blanks and bars is not.
        let unread = || dates.into_iter().find(|date| date.contains(char::is_alphanumeric) && !date.contains("uu"));
        self.text("260", Field::Year, year.map(|year| year.to_string()).or_else(unread));
        self.extra("extent", self.all(&["300"], "a"));
        let pages = self.marc.tagged("300").flat_map(|field| field.texts("a")).filter_map(pages).max();
        self.extra("pages", pages.map(|pages| pages.to_string()).into_iter().collect());
    }

    fn languages(&mut self) {
        let codes = |codes: &str| -> Vec<String> {
            let texts = self.marc.tagged("041").flat_map(|field| field.texts(codes));
            // Several codes may run together: `engfre`.
            let codes = texts.flat_map(|text| {
                let text: Vec<char> = text.chars().filter(char::is_ascii_alphabetic).collect();
                text.chunks(3).map(|code| code.iter().collect::<String>().to_lowercase()).collect::<Vec<_>>()
            });
            codes.filter(|code| is_language(code)).filter_map(|code| field::language(&code)).collect()
        };
        let all = codes("ad");
        let original = codes("h");
        let coded = self.fixed(35, 3).map(|code| code.to_lowercase()).filter(|code| is_language(code));
        self.text("008", Field::Language, coded.or_else(|| all.first().cloned()));
        if all.len() > 1 {
            self.extra("languages", all);
        }
        self.extra("original language", original);
    }

    fn audience(&mut self) {
        let is_book = "at".contains(self.marc.leader_at(6)) && !"bis".contains(self.marc.leader_at(7));
        let coded = self.fixed(22, 1).filter(|_| is_book).and_then(|code| match code.as_str() {
            "a" | "b" | "c" | "j" => Some("children"),
            "d" => Some("young adult"),
            "e" | "g" => Some("adult"),
            _ => None,
        });
        let notes = self.marc.tagged("521").flat_map(|field| {
            let kind = match field.indicators[0] {
                '0' => "reading level ",
                '1' => "ages ",
                '2' => "grades ",
                _ => "",
            };
            field.texts("a").map(move |text| format!("{kind}{}", without_punctuation(text)))
        });
        let mut said: Vec<String> = self.all(&["385"], "a");
        said.extend(notes);
        let audience = coded.map(str::to_owned).or_else(|| said.first().cloned());
        self.text("521", Field::Audience, audience);
        self.extra("audience note", said);
    }

    /// Summaries, subjects, contents and notes.
    fn about(&mut self) {
        let is_content_warning = |field: &&MarcField<'_>| field.indicators[0] == '4';
        let summaries = self.marc.tagged("520").filter(|field| !is_content_warning(field)).chain(self.linked("520"));
        let summaries =
            summaries.map(|field| field.texts("ab").map(field::line).collect::<Vec<_>>().join(" ")).collect();
        self.list("520", Field::Description, summaries);
        const SUBJECTS: &[&str] = &["600", "610", "611", "630", "648", "650", "651", "655"];
        let mut subjects = Vec::new();
        for &tag in SUBJECTS {
            subjects.extend(self.marc.tagged(tag).chain(self.linked(tag)).map(heading));
        }
        subjects.extend(self.marc.tagged("653").flat_map(|field| field.texts("a")).map(without_punctuation));
        self.list("650", Field::Subjects, distinct(subjects));
        self.extra("contents", self.all(&["505"], "agrt"));
        let is_note = |tag: &str| tag.starts_with('5') && !["505", "520", "521", "590"].contains(&tag) && tag < "589";
        let notes = self
            .marc
            .fields
            .iter()
            .filter(|field| is_note(&field.tag))
            .map(|field| field.texts("a3").map(field::line).collect::<Vec<_>>().join(" "));
        self.extra("notes", notes.collect());
    }

    fn series(&mut self) {
        let numbered = |field: &MarcField<'_>, codes: &str| {
            let name = join(field, codes);
            let number = join(field, "v");
            if number.is_empty() || name.is_empty() { name } else { format!("{name} ; {number}") }
        };
        let mut series: Vec<String> = self.marc.tagged("830").map(|field| numbered(field, "anp")).collect();
        series.extend(
            ["800", "810", "811"].iter().flat_map(|tag| self.marc.tagged(tag)).map(|field| numbered(field, "tnp")),
        );
        // As on the book, where nobody has traced it.
        if series.is_empty() {
            series.extend(
                ["490", "440"].iter().flat_map(|tag| self.marc.tagged(tag)).map(|field| numbered(field, "anp")),
            );
        }
        self.extra("series", series);
    }

    fn form_and_links(&mut self) {
        let form = self.form();
        self.extra("format", form.map(str::to_owned).into_iter().collect());
        for (name, is_related) in [("url", false), ("related url", true)] {
            let fields = self.marc.tagged("856").filter(|field| (field.indicators[1] == '2') == is_related);
            let urls = fields.flat_map(|field| field.texts("u")).map(str::trim);
            self.extra(
                name,
                urls.filter(|url| url.starts_with("http://") || url.starts_with("https://"))
                    .map(str::to_owned)
                    .collect(),
            );
        }
    }

    fn form(&self) -> Option<&'static str> {
        let item = self.fixed(23, 1).unwrap_or_default();
        let carriers = self.all(&["336", "337", "338"], "ab").join(" ").to_lowercase();
        let medium = self.marc.tagged("245").find_map(|field| field.first('h')).unwrap_or_default().to_lowercase();
        Some(match self.marc.leader_at(6) {
            _ if item == "f" || carriers.contains("tactile") => "braille",
            'i' => "audiobook",
            'a' | 't' if item == "d" => "large print",
            _ if carriers.contains("online resource")
                || medium.contains("electronic")
                || "oqs".contains(&item) && !item.trim().is_empty() =>
            {
                "ebook"
            }
            'm' => "computer file",
            'a' | 't' => "print",
            _ => return None,
        })
    }

    /// Characters of the fixed field 008, if they are there and not blank or `|`, which means that nobody coded them.
    fn fixed(&self, start: usize, length: usize) -> Option<String> {
        let text: String = self.marc.control("008")?.chars().skip(start).take(length).collect();
        (text.chars().count() == length && !text.contains(['|', ' ', '#'])).then_some(text)
    }

    /// One text for each field with one of these tags.
    fn all(&self, tags: &[&str], codes: &str) -> Vec<String> {
        tags.iter().flat_map(|tag| self.marc.tagged(tag)).map(|field| join(field, codes)).collect()
    }

    /// The fields 880 that have a field of this tag in its original script.
    fn linked<'f>(&'f self, tag: &'f str) -> impl Iterator<Item = &'f MarcField<'f>> {
        self.marc.tagged("880").filter(move |field| field.first('6').is_some_and(|link| link.trim().starts_with(tag)))
    }
}

fn is_language(code: &str) -> bool {
    code.len() == 3 && !["und", "mul", "zxx", "mis", "uuu", "xxx"].contains(&code)
}

/// Texts that are there, each once, whatever their letter case.
fn distinct(mut list: Vec<String>) -> Vec<String> {
    list.retain(|text| !text.is_empty());
    if list.len() > 1 {
        let mut seen = HashSet::new();
        list.retain(|text| seen.insert(text.to_lowercase()));
    }
    list
}

/// The subfields with these codes as one text, without the punctuation that stands between them in print.
fn join(field: &MarcField<'_>, codes: &str) -> String {
    let mut lines = field.texts(codes).map(field::line).filter(|line| !line.is_empty());
    let mut joined = lines.next().unwrap_or_default();
    for line in lines {
        joined.push(' ');
        joined.push_str(&line);
    }
    trimmed(joined)
}

/// Without ISBD's marks at the end, which belong to the part behind; but with the full stop of an abbreviation.
fn without_punctuation(text: &str) -> String {
    trimmed(field::line(text))
}

/// [`without_punctuation`] of what is one line already.
fn trimmed(mut line: String) -> String {
    line.truncate(line.trim_end_matches([' ', '/', ':', ';', ',', '=']).len());
    let Some(start) = line.strip_suffix('.') else { return line };
    let last = start.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let is_abbreviation = last.chars().count() < 4 && !last.chars().all(|c| c.is_ascii_digit());
    // "…": the whole point.
    if !is_abbreviation && !start.ends_with('.') {
        line.truncate(start.trim_end().len());
    }
    line
}

/// A heading's name: without dates, fuller forms and roles.
fn name(field: &MarcField<'_>) -> String {
    join(field, "abcn")
}

/// What someone did: terms and codes.
fn roles(field: &MarcField<'_>) -> Vec<String> {
    let code = if field.tag.ends_with("11") { "j4" } else { "e4" };
    let short = |text: &str| {
        let text = text.trim().rsplit('/').next().unwrap_or_default();
        without_punctuation(text).trim_end_matches('.').to_lowercase()
    };
    distinct(field.texts(code).map(short).collect())
}

fn is_authorship(role: &str) -> bool {
    ["aut", "author", "joint author", "co-author", "cre", "creator", "writer", "verfasser", "verfasserin", "auteur"]
        .contains(&role)
}

/// A subject: its parts in their order, ` -- ` in front of each subdivision.
fn heading(field: &MarcField<'_>) -> String {
    let mut heading = String::new();
    for (code, text) in &field.subfields {
        let separator = match code {
            'v' | 'x' | 'y' | 'z' if !heading.is_empty() => " -- ",
            'a'..='d' | 'f' | 'k'..='n' | 'p'..='t' | 'v' | 'x'..='z' if heading.is_empty() => "",
            'a'..='d' | 'f' | 'k'..='n' | 'p'..='t' => " ",
            _ => continue,
        };
        let is_last_part = matches!(code, 'v' | 'x' | 'y' | 'z');
        if is_last_part {
            heading = without_punctuation(&heading);
        }
        heading.push_str(separator);
        heading.push_str(&field::line(text));
    }
    without_punctuation(&heading)
}

/// The year in `MMXI`.
fn roman(text: &str) -> Option<i32> {
    let value = |c| match c {
        'M' => Some(1000),
        'D' => Some(500),
        'C' => Some(100),
        'L' => Some(50),
        'X' => Some(10),
        'V' => Some(5),
        'I' => Some(1),
        _ => None,
    };
    let text = text.trim_matches(['[', ']', '.', ' ']);
    let values: Vec<i32> = text.chars().map(value).collect::<Option<_>>()?;
    let signed = values.iter().enumerate().map(|(at, &number)| {
        let is_less = values.get(at + 1).is_some_and(|&next| number < next);
        if is_less { -number } else { number }
    });
    let year = signed.sum();
    (1400..=2100).contains(&year).then_some(year)
}

/// The largest number of pages in `xii, 340 p.`; not the volumes in `3 v.`.
fn pages(text: &str) -> Option<u32> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).zip(text.match_indices(|c: char| !c.is_ascii_digit()));
    let numbers = numbers.filter_map(|(digits, (at, _))| {
        let behind = text[at..].trim_start_matches([' ', ']']);
        let is_volumes = behind.starts_with(['v', 'V', 'b', 'B']) || behind.starts_with("cm");
        digits.parse::<u32>().ok().filter(|&number| number < 50_000 && !is_volumes)
    });
    let last = text.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    numbers.chain(last.filter(|&number: &u32| number < 50_000)).max()
}

#[cfg(test)]
mod tests {
    use super::super::record::CONTROL;
    use super::*;
    use crate::Book;
    use std::borrow::Cow;

    /// A record from lines such as `245 10$aDune /$cFrank Herbert.`.
    fn marc(lines: &'static str) -> Marc<'static> {
        let field = |line: &'static str| {
            let (tag, rest) = (&line[..3], &line[4..]);
            if tag.starts_with("00") {
                return MarcField { tag: tag.into(), indicators: [' '; 2], subfields: vec![(CONTROL, rest.into())] };
            }
            let mut parts = rest.split('$');
            let indicators: Vec<char> = parts.next().unwrap_or_default().chars().collect();
            let subfields = parts.map(|part| (part.chars().next().unwrap_or('?'), Cow::from(&part[1..]))).collect();
            MarcField { tag: tag.into(), indicators: [indicators[0], indicators[1]], subfields }
        };
        let (leader, fields) = lines.split_once('\n').expect("a leader");
        Marc { leader: leader.into(), fields: fields.lines().map(field).collect(), warnings: Vec::new() }
    }

    fn book(lines: &'static str) -> Book {
        match step(marc(lines), Place::Byte(0), 0) {
            Step::Record(record) => {
                record.into_book().map(|accepted| accepted.book).unwrap_or_else(|reject| panic!("{reject:?}"))
            }
            _ => panic!("no book: {lines}"),
        }
    }

    #[test]
    fn a_whole_record() {
        let found = book(
            "00000cam a2200000 i 4500\n001 12345\n003 DLC\n008 750101s1990    nyu    d      000 1 eng d\n\
             010   $a   90123456 \n020   $a057504800X (hbk.) : $c£9.99\n035   $a(OCoLC)ocm00012345\n\
             041 1 $aengfre$hger\n050 00$aPR6057.A319$bG6 1990\n082 00$a823/.914$220\n\
             100 1 $aPratchett, Terry,$d1948-2015.\n240 10$aGood Omens.$lEnglish\n\
             245 10$aGood omens :$bthe nice and accurate prophecies /$cTerry Pratchett.\n250   $a1st ed.\n\
             264  1$aLondon :$bGollancz,$c[1990?]\n300   $axii, 288 p. ;$c24 cm.\n490 1 $aFantasy ;$v2\n\
             520   $aAn angel and a demon.\n520 4 $aViolence.\n505 0 $aOne -- Two.\n500   $aIncludes index.\n\
             521 1 $a12-15.\n650  0$aAngels$vFiction.\n650  7$aAngels$vFiction.$2fast\n\
             651  0$aLondon (England)$xHistory$y20th century.\n655  7$aFantasy fiction.\n\
             700 1 $aGaiman, Neil.\n700 1 $aKidby, Paul,$eillustrator.\n700 12$aFrey, Peter.$tOther work.\n\
             830  0$aFantasy masterworks ;$v2.\n856 40$uhttps://example.org/1\n856 42$uftp://example.org/2\n",
        );
        assert_eq!((found.id.as_str(), found.title.as_str()), ("(DLC)12345", "Good omens"));
        assert_eq!(found.subtitle.as_deref(), Some("the nice and accurate prophecies"));
        assert_eq!(found.authors, ["Pratchett, Terry", "Gaiman, Neil"]);
        assert_eq!(found.isbns, ["057504800X"]);
        assert_eq!((found.publisher.as_deref(), found.year), (Some("Gollancz"), Some(1990)));
        assert_eq!((found.language.as_deref(), found.audience.as_deref()), (Some("en"), Some("young adult")));
        let subjects = ["Angels -- Fiction", "London (England) -- History -- 20th century", "Fantasy fiction"];
        assert_eq!(found.subjects, subjects);
        assert_eq!(found.description.as_deref(), Some("An angel and a demon."));
        let extra = serde_json::json!({
            "alternative titles": ["Good Omens. English", "Other work"], "contributors": "Kidby, Paul (illustrator)",
            "lccn": "90123456", "oclc": "12345", "call number": "PR6057.A319 G6 1990", "dewey": "823/.914",
            "edition": "1st ed.", "place of publication": "London", "extent": "xii, 288 p.", "pages": "288",
            "languages": ["en", "fr"], "original language": "de", "audience note": "ages 12-15",
            "contents": "One -- Two.", "notes": "Includes index.", "series": "Fantasy masterworks ; 2",
            "format": "print", "url": "https://example.org/1"
        });
        assert_eq!(Value::from(found.extra), extra);
    }

    #[test]
    fn single_fields() {
        type Get = fn(&Book) -> String;
        let title: Get = |book| format!("{} | {}", book.title, book.subtitle.as_deref().unwrap_or_default());
        let authors: Get = |book| book.authors.join(" | ");
        let year: Get = |book| format!("{:?}", book.year);
        let pages: Get = |book| book.extra.get("pages").map(Value::to_string).unwrap_or_default();
        let form: Get = |book| book.extra.get("format").map(Value::to_string).unwrap_or_default();
        let audience: Get = |book| book.audience.clone().unwrap_or_default();
        let language: Get = |book| book.language.clone().unwrap_or_default();
        for (lines, get, expected) in [
            ("     nam a\n245 00$aHenry IV.$nPart 2,$pThe king /$cby", title, "Henry IV. Part 2. The king | "),
            ("     nam a\n245 00$aWhat is R.N.A.?", title, "What is R.N.A.? | "),
            ("     nam a\n245 00$aDune$h[electronic resource] :$ba novel.", title, "Dune | a novel"),
            (
                "     nam a\n245 00$6880-01$aGodāna /$cPremacanda.\n880 00$6245-01/Deva$aगोदान /$cप्रेमचंद",
                title,
                "Godāna | गोदान",
            ),
            ("     nam a\n245 00$aT\n100 1 $aTolkien, J. R. R.$q(John),$d1892-", authors, "Tolkien, J. R. R."),
            ("     nam a\n245 00$aT\n110 2 $aAcme Inc.", authors, "Acme Inc."),
            (
                "     nam a\n245 00$aT\n700 1 $aA, B.$4trl\n700 1 $aC, D$4http://id.loc.gov/vocabulary/relators/aut",
                authors,
                "C, D",
            ),
            ("     nam a\n245 00$aT\n710 2 $aAcme.", authors, ""),
            ("     nam a\n245 00$aT\n260   $cc1999.", year, "Some(1999)"),
            ("     nam a\n245 00$aT\n264  1$c[MMXI]\n264  4$c©2010", year, "Some(2011)"),
            ("     nam a\n245 00$aT\n264  2$c1999\n008 000101s2001    xx            000 0 eng d", year, "Some(2001)"),
            ("     nam a\n245 00$aT\n008 000101s19uu    xx            000 0 eng d", year, "None"),
            ("     nam a\n245 00$aT\n300   $a3 v. (xii, 1340 p.) :", pages, "\"1340\""),
            ("     nam a\n245 00$aT\n300   $a3 v.", pages, ""),
            ("     nim a\n245 00$aT", form, "\"audiobook\""),
            ("     nam a\n245 00$aT\n338   $aonline resource", form, "\"ebook\""),
            ("     nam a\n245 00$aT\n008 000101s2001    xx     j      000 0 eng d", audience, "children"),
            ("     nas a\n245 00$aT\n008 000101s2001    xx     j      000 0 eng d", audience, ""),
            ("     nam a\n245 00$aT\n521 2 $a7-9.", audience, "grades 7-9"),
            ("     nam a\n245 00$aT\n041   $azxx", language, ""),
            ("     nam a\n245 00$aT\n008 000101s2001    xx            000 0 ||| d\n041   $ager", language, "de"),
        ] {
            assert_eq!(get(&book(lines)), expected, "{lines}");
        }
    }

    #[test]
    fn records_that_are_no_books() {
        let rejected = |lines| match step(marc(lines), Place::Byte(9), 0) {
            Step::Rejected(reject) => reject.reason,
            Step::Deleted(id) => format!("deleted {id}"),
            _ => "a record".to_owned(),
        };
        assert_eq!(rejected("     dam a\n001 7"), "deleted 7");
        assert!(rejected("     dam a\n245 00$aT").contains("no number"));
        assert!(rejected("     nam a\n200 1 $aLe titre").contains("UNIMARC"));
    }
}
