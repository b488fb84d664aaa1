//! Names of columns and keys become fields of a book.
//!
//! Letter case, accents, spaces and punctuation do not matter (`ISBN-13`, `Auteur(s)`, `año de publicación`). A name
//! that is not known is kept with its value among the book's `extra` fields; a few that hold readers' personal data in
//! exports of other systems are left out, since everything in the catalogue may be shown to anyone.

use crate::Error;
use std::collections::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// A field of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Id,
    Title,
    Subtitle,
    Authors,
    Isbns,
    Publisher,
    Year,
    Language,
    Subjects,
    Audience,
    Description,
}

impl Field {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Title => "title",
            Field::Subtitle => "subtitle",
            Field::Authors => "authors",
            Field::Isbns => "isbns",
            Field::Publisher => "publisher",
            Field::Year => "year",
            Field::Language => "language",
            Field::Subjects => "subjects",
            Field::Audience => "audience",
            Field::Description => "description",
        }
    }
}

/// Where a named value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A field; of several values for one field that takes only one, the lowest rank wins.
    Field { field: Field, rank: u8 },
    /// Subjects in a column whose values are separated by commas, too: tags, genres and the like.
    Tags,
    /// Kept under its own name.
    Extra,
    /// Personal data, left out.
    Personal,
}

/// Names by field, the best first, apart by commas; English, German, French, Spanish, Hindi.
const NAMES: &[(Field, &str)] = &[
    (
        Field::Id,
        "id, book id, source id, record id, catalogue id, catalog id, bib id, biblionumber, record number, control \
         number, identifier, Kennung, Datensatznummer, Katalognummer, identifiant, identificador, आईडी, पहचान, \
         पुस्तक आईडी",
    ),
    (
        Field::Title,
        "title, book title, main title, full title, book name, Titel, Haupttitel, Buchtitel, titre, título, शीर्षक, \
         पुस्तक का नाम, किताब का नाम",
    ),
    (Field::Subtitle, "subtitle, sub title, title remainder, Untertitel, Titelzusatz, sous-titre, subtítulo, उपशीर्षक"),
    (
        Field::Authors,
        "authors, author, author(s), author name, author names, book author, primary author, writer, writers, \
         written by, creator, creators, Autor, Autoren, Autorin, Autor(en), Autor/in, Verfasser, Verfasserin, \
         auteur, auteurs, auteur(s), autrice, autora, autores, autor(es), लेखक, लेखिका, रचनाकार, कवि",
    ),
    (Field::Isbns, "isbns, isbn, isbn13, isbn10, isbn(s), isbn/ean, ean, ean13, gtin, gtin13, आईएसबीएन"),
    (
        Field::Publisher,
        "publisher, publishers, publisher name, publishing house, Verlag, éditeur, maison d'édition, editorial, \
         प्रकाशक, प्रकाशन",
    ),
    (
        Field::Year,
        "year, publication year, year published, published year, year of publication, pub year, publication date, \
         published date, date published, publish date, pub date, date of publication, published, original \
         publication year, first published, Jahr, Erscheinungsjahr, Veröffentlichungsjahr, Erscheinungsdatum, \
         année, année de publication, année de parution, date de publication, date de parution, año, año de \
         publicación, fecha de publicación, वर्ष, प्रकाशन वर्ष, date",
    ),
    (
        Field::Language,
        "language, languages, lang, language code, Sprache, Sprachen, langue, langues, idioma, idiomas, lengua, \
         भाषा",
    ),
    (
        Field::Subjects,
        "subjects, subject, subject heading, subject headings, subject terms, Schlagwort, Schlagwörter, \
         Schlagworte, Sachgebiet, sujet, sujets, vedettes-matière, materia, materias, विषय",
    ),
    (
        Field::Audience,
        "audience, target audience, intended audience, age group, age range, reading age, Zielgruppe, Altersgruppe, \
         Lesealter, public, public cible, público, público objetivo, पाठक वर्ग, आयु वर्ग",
    ),
    (
        Field::Description,
        "description, book description, long description, summary, abstract, blurb, synopsis, annotation, overview, \
         plot, about, short description, Beschreibung, Inhaltsangabe, Zusammenfassung, Klappentext, Inhalt, résumé, \
         quatrième de couverture, descripción, resumen, sinopsis, विवरण, सारांश, text",
    ),
];

/// Names of subjects that are lists of words, where a comma separates; in a subject heading it does not
/// (`Women, Black -- Fiction`).
const TAGS: &str = "genre, genres, category, categories, tag, tags, keyword, keywords, topic, topics, theme, themes, Kategorie, \
     Kategorien, Stichwort, Stichwörter, Stichworte, Thema, Themen, catégorie, catégories, mots-clés, thème, \
     thèmes, género, géneros, categoría, categorías, etiquetas, palabras clave, tema, temas, विधा, शैली, श्रेणी, \
     टैग";

/// Names under which other systems export what readers noted, and who borrowed.
const PERSONAL: &str = "private notes, private note, private comment, private comments, my review, my rating, my notes, lending \
     patron, lending status, lending start, lending end, borrower, borrowed by, lent to, patron, patron name, date \
     read, date started";

static TARGETS: LazyLock<HashMap<String, Target>> = LazyLock::new(|| {
    let fields = NAMES.iter().flat_map(|&(field, names)| {
        names.split(", ").zip(0..).map(move |(name, rank)| (key(name), Target::Field { field, rank }))
    });
    let tags = TAGS.split(", ").map(|name| (key(name), Target::Tags));
    let personal = PERSONAL.split(", ").map(|name| (key(name), Target::Personal));
    // Of a name that is there twice, the first place counts: it is the better rank.
    let mut targets = HashMap::new();
    for (key, target) in fields.chain(tags).chain(personal) {
        targets.entry(key).or_insert(target);
    }
    targets
});

/// What is left of a name when case, accents, spaces and punctuation do not matter.
///
/// Vowel signs of Indic scripts are marks like accents, but make another word of it when they go: they stay.
fn key(name: &str) -> String {
    name.nfkd()
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{206f}' | '\u{feff}'))
        .filter(|c| !c.is_whitespace() && !c.is_ascii_punctuation() && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Names told apart at most; JSON objects may make them up.
const MAX_NAMES: usize = 4096;

/// Which names a file uses, and for what.
#[derive(Default)]
pub(super) struct Mapping {
    seen: HashMap<String, Target>,
    order: Vec<String>,
}

impl Mapping {
    /// Where values of this name go.
    pub(super) fn target(&mut self, name: &str) -> Target {
        if let Some(target) = self.seen.get(name) {
            return *target;
        }
        let target = lookup(name);
        if self.order.len() < MAX_NAMES {
            self.seen.insert(name.to_owned(), target);
            self.order.push(name.to_owned());
        }
        target
    }

    pub(super) fn is_known(name: &str) -> bool {
        lookup(name) != Target::Extra
    }

    pub(super) fn is_id(name: &str) -> bool {
        matches!(lookup(name), Target::Field { field: Field::Id, .. })
    }

    pub(super) fn names_seen(&self) -> bool {
        !self.order.is_empty()
    }

    pub(super) fn has_title(&self) -> bool {
        self.seen.values().any(|target| matches!(target, Target::Field { field: Field::Title, .. }))
    }

    /// Name → field, in the order of the file, for people.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let describe = |name: &String| match self.seen.get(name) {
            Some(Target::Field { field, .. }) => field.as_str().to_owned(),
            Some(Target::Tags) => Field::Subjects.as_str().to_owned(),
            Some(Target::Personal) => "left out: personal data".to_owned(),
            Some(Target::Extra) | None => "extra".to_owned(),
        };
        self.order.iter().map(|name| (name.clone(), describe(name))).collect()
    }

    /// The error for a file without a title column.
    pub(super) fn no_title(&self, name: &str) -> Error {
        const SHOWN: usize = 20;
        let shorten = |name: &String| {
            let start: String = name.chars().take(40).collect();
            if start.len() < name.len() { format!("`{start}…`") } else { format!("`{start}`") }
        };
        let mut found: Vec<String> = self.order.iter().take(SHOWN).map(shorten).collect();
        if self.order.len() > SHOWN {
            found.push(format!("{} more", self.order.len() - SHOWN));
        }
        let known = NAMES.iter().find(|(field, _)| *field == Field::Title).map_or("title", |(_, names)| names);
        Error::NoTitleColumn { name: name.to_owned(), found: found.join(", "), known: known.to_owned() }
    }
}

fn lookup(name: &str) -> Target {
    TARGETS.get(&key(name)).copied().unwrap_or(Target::Extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_five_languages() {
        for (name, expected) in [
            ("Title", "title"),
            (" TITEL ", "title"),
            ("titre", "title"),
            ("Título", "title"),
            ("Ti\u{301}tulo", "title"),
            ("शीर्षक", "title"),
            ("_id", "id"),
            ("Book Id", "id"),
            ("Author(s)", "authors"),
            ("लेखक", "authors"),
            ("ISBN-13", "isbns"),
            ("Éditeur", "publisher"),
            ("année_de_publication", "year"),
            ("AÑO", "year"),
            ("publication_year", "year"),
            ("Sprache", "language"),
            ("Mots-clés", "subjects"),
            ("genre", "subjects"),
            ("विषय", "subjects"),
            ("Zielgruppe", "audience"),
            ("Résumé", "description"),
            ("सारांश", "description"),
            ("Number of Pages", "extra"),
            ("Private Notes", "left out: personal data"),
        ] {
            let mut mapping = Mapping::default();
            mapping.target(name);
            assert_eq!(mapping.described(), [(name.to_owned(), expected.to_owned())], "{name}");
        }
    }

    #[test]
    fn no_name_means_two_things() {
        let fields = NAMES.iter().map(|(field, names)| (field.as_str(), *names));
        let mut meanings: HashMap<String, &str> = HashMap::new();
        for (meaning, names) in fields.chain([("tags", TAGS), ("personal", PERSONAL)]) {
            for name in names.split(", ") {
                let other = meanings.insert(key(name), meaning);
                assert!(other.is_none_or(|other| other == meaning), "`{name}` means {meaning} and {other:?}");
            }
        }
    }

    #[test]
    fn vowel_signs_are_letters() {
        assert_ne!(key("विधा"), key("विध"));
        assert_eq!(key("Sous-titre"), key("sous titre"));
    }
}
