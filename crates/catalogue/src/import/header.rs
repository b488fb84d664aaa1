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
    /// More authors, after the others, in a column whose names are separated by commas, too.
    MoreAuthors,
    /// Kept under its own name.
    Extra,
    /// Part of a record that libellus wrote, which is taken to the letter.
    AsWritten,
    /// Personal data, left out.
    Personal,
}

/// Names by field, the best first, apart by commas: English, German, French, Spanish, Hindi, Italian, Portuguese,
/// Dutch, Polish, Swedish, Russian, Chinese.
const NAMES: &[(Field, &str)] = &[
    (
        Field::Id,
        "id, book id, source id, record id, catalogue id, catalog id, bib id, biblionumber, record number, control \
         number, identifier, Kennung, Datensatznummer, Katalognummer, identifiant, identificador, आईडी, पहचान, \
         पुस्तक आईडी, identificativo, identificatore, kenmerk, identyfikator, идентификатор, 编号",
    ),
    (
        Field::Title,
        "title, book title, main title, full title, book name, Titel, Haupttitel, Buchtitel, titre, título, शीर्षक, \
         पुस्तक का नाम, किताब का नाम, titolo, titolo del libro, título do livro, boektitel, tytuł, tytuł książki, \
         bokens titel, название, заглавие, 书名, 書名, 题名",
    ),
    (
        Field::Subtitle,
        "subtitle, sub title, title remainder, Untertitel, Titelzusatz, sous-titre, subtítulo, उपशीर्षक, \
         sottotitolo, ondertitel, podtytuł, undertitel, подзаголовок, 副标题, 副題",
    ),
    (
        Field::Authors,
        "authors, author, author(s), author name, author names, book author, primary author, writer, writers, \
         written by, creator, creators, Autor, Autoren, Autorin, Autor(en), Autor/in, Verfasser, Verfasserin, \
         auteur, auteurs, auteur(s), autrice, autora, autores, autor(es), लेखक, लेखिका, रचनाकार, कवि, \
         autore, autori, autrici, autore/i, auteur(s), schrijver, schrijvers, autorzy, autor/autorzy, författare, автор, \
         авторы, 作者, 著者",
    ),
    (Field::Isbns, "isbns, isbn, isbn13, isbn10, isbn(s), isbn/ean, isbn/uid, ean, ean13, gtin, gtin13, आईएसबीएन"),
    (
        Field::Publisher,
        "publisher, publishers, publisher name, publishing house, Verlag, éditeur, maison d'édition, editorial, \
         प्रकाशक, प्रकाशन, editore, casa editrice, editora, uitgever, uitgeverij, wydawnictwo, wydawca, förlag, \
         издательство, издатель, 出版社, 出版者",
    ),
    (
        Field::Year,
        "year, publication year, year published, published year, year of publication, pub year, publication date, \
         published date, date published, publish date, pub date, date of publication, published, original \
         publication year, first published, Jahr, Erscheinungsjahr, Veröffentlichungsjahr, Erscheinungsdatum, \
         année, année de publication, année de parution, date de publication, date de parution, año, año de \
         publicación, fecha de publicación, वर्ष, प्रकाशन वर्ष, anno, anno di pubblicazione, anno di edizione, \
         data di pubblicazione, ano, ano de publicação, data de publicação, jaar, jaar van uitgave, jaar van publicatie, \
         publicatiejaar, verschijningsjaar, publicatiedatum, rok, rok wydania, rok publikacji, data wydania, \
         utgivningsår, år, год, год издания, дата публикации, 出版年, 出版日期, 出版年份, date",
    ),
    (
        Field::Language,
        "language, languages, lang, language code, Sprache, Sprachen, langue, langues, idioma, idiomas, lengua, \
         भाषा, lingua, lingue, língua, línguas, taal, talen, język, języki, språk, язык, языки, 语言, 語言, 言語",
    ),
    (
        Field::Subjects,
        "subjects, subject, subject heading, subject headings, subject terms, Schlagwort, Schlagwörter, \
         Schlagworte, Sachgebiet, sujet, sujets, vedettes-matière, materia, materias, विषय, \
         soggetto, soggetti, assunto, assuntos, matéria, onderwerp, onderwerpen, temat, tematy, hasło przedmiotowe, \
         ämnesord, ämne, предметные рубрики, 主题, 主題, 件名",
    ),
    (
        Field::Audience,
        "audience, target audience, intended audience, age group, age range, reading age, Zielgruppe, Altersgruppe, \
         Lesealter, public, public cible, público, público objetivo, पाठक वर्ग, आयु वर्ग, pubblico, \
         destinatari, fascia d'età, público-alvo, faixa etária, doelgroep, leeftijd, leeftijdsgroep, odbiorcy, \
         grupa wiekowa, målgrupp, возраст, 读者对象",
    ),
    (
        Field::Description,
        "description, book description, long description, summary, abstract, blurb, synopsis, annotation, overview, \
         plot, about, short description, Beschreibung, Inhaltsangabe, Zusammenfassung, Klappentext, Inhalt, résumé, \
         quatrième de couverture, descripción, resumen, sinopsis, विवरण, सारांश, descrizione, \
         riassunto, trama, sinossi, descrição, resumo, sinopse, beschrijving, omschrijving, samenvatting, korte inhoud, \
         opis, streszczenie, beskrivning, sammanfattning, описание, аннотация, 简介, 内容简介, 簡介, 内容紹介, text",
    ),
];

/// Names of subjects that are lists of words, where a comma separates; in a subject heading it does not
/// (`Women, Black -- Fiction`).
const TAGS: &str = "genre, genres, category, categories, tag, tags, keyword, keywords, topic, topics, theme, themes, Kategorie, \
     Kategorien, Stichwort, Stichwörter, Stichworte, Thema, Themen, catégorie, catégories, mots-clés, thème, \
     thèmes, género, géneros, categoría, categorías, etiquetas, palabras clave, tema, temas, विधा, शैली, श्रेणी, \
     टैग, genere, generi, categorie, parole chiave, etichette, argomento, argomenti, gênero, gêneros, categorias, \
     palavras-chave, tópicos, trefwoord, trefwoorden, gatunek, gatunki, kategoria, kategorie, słowa kluczowe, nyckelord, \
     жанр, жанры, теги, ключевые слова, 类别, 标签, 分类";

/// Names of authors behind the first; Goodreads separates them by commas (`Neil Gaiman, Terry Pratchett`).
const MORE_AUTHORS: &str = "additional authors, secondary author, secondary authors";

/// Names under which other systems, Goodreads and LibraryThing above all, export what readers noted, own, read and
/// lent, and when.
const PERSONAL: &str = "private notes, private note, private comment, private comments, my review, review, my rating, my notes, \
     comment, comments, spoiler, lending patron, lending status, lending start, lending end, borrower, borrowed by, \
     lent to, patron, patron name, date read, dates read, last date read, date started, read status, star \
     rating, read count, owned copies, bookshelves, bookshelves with \
     positions, exclusive shelf, original purchase date, original purchase location, purchase price, acquired, date \
     acquired, entry date, from where, bcid";

/// Names that say nothing about anyone in a library's own file (`rating`, `barcode`), but do in a reader's.
const PERSONAL_OF_READERS: &str = "rating, barcode, collections, date added, recommended for, recommended by, condition description, moods, pace, \
     character- or plot-driven?, strong character development?, loveable characters?, diverse characters?, flawed \
     characters?, content warnings, content warning description, owned?";

/// Names that only a reader's export from Goodreads, LibraryThing or The StoryGraph has.
const MARKS_OF_READERS: &str = "my rating, my review, exclusive shelf, bookshelves with positions, sort character, \
     private comment, lending patron, work id, bcid, star rating, read status, dates read";

/// Names that together only Calibre's own tables have. There, comments are what the book is about, ratings are the
/// owner's, and files and covers are paths on a disk.
const MARKS_OF_CALIBRE: &[&str] = &["author_sort", "title", "timestamp", "uuid"];
const OF_CALIBRE: &[(&str, Target)] = &[
    ("comments", Target::Field { field: Field::Description, rank: 0 }),
    ("uuid", Target::Field { field: Field::Id, rank: 0 }),
    ("id", Target::Extra),
    ("pubdate", Target::Field { field: Field::Year, rank: 0 }),
    ("rating", Target::Personal),
    ("cover", Target::Personal),
    ("formats", Target::Personal),
    ("library_name", Target::Personal),
    ("timestamp", Target::Personal),
];

static TARGETS: LazyLock<HashMap<String, Target>> = LazyLock::new(|| {
    let fields = NAMES.iter().flat_map(|&(field, names)| {
        names.split(", ").zip(0..).map(move |(name, rank)| (key(name), Target::Field { field, rank }))
    });
    let tags = TAGS.split(", ").map(|name| (key(name), Target::Tags));
    let more_authors = MORE_AUTHORS.split(", ").map(|name| (key(name), Target::MoreAuthors));
    let personal = PERSONAL.split(", ").map(|name| (key(name), Target::Personal));
    // Of a name that is there twice, the first place counts: it is the better rank.
    let mut targets = HashMap::new();
    for (key, target) in fields.chain(tags).chain(more_authors).chain(personal) {
        targets.entry(key).or_insert(target);
    }
    targets
});

/// What is left of a name when case, accents, spaces and punctuation do not matter.
///
/// Vowel signs of Indic scripts are marks like accents, but make another word of it when they go: they stay.
pub(crate) fn key(name: &str) -> String {
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
    /// Whether this is one reader's own list, from another system.
    is_of_a_reader: bool,
    /// Whether this is Calibre's.
    is_of_calibre: bool,
    seen: HashMap<String, Target>,
    order: Vec<String>,
}

impl Mapping {
    /// Looks at the names of the header, or of the first record, together; before they are asked for one by one.
    pub(super) fn look_at<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone) {
        self.is_of_a_reader |= names.clone().any(|name| has(MARKS_OF_READERS, name));
        self.is_of_calibre |= MARKS_OF_CALIBRE.iter().all(|mark| names.clone().any(|name| name == *mark));
    }

    /// Where values of this name go.
    pub(super) fn target(&mut self, name: &str) -> Target {
        if let Some(target) = self.seen.get(name) {
            return *target;
        }
        let of_calibre = OF_CALIBRE.iter().find(|(known, _)| self.is_of_calibre && *known == name);
        let target = match lookup(name) {
            _ if of_calibre.is_some() => of_calibre.map_or(Target::Extra, |(_, target)| *target),
            Target::Extra if self.is_of_a_reader && has(PERSONAL_OF_READERS, name) => Target::Personal,
            target => target,
        };
        if self.order.len() < MAX_NAMES {
            self.seen.insert(name.to_owned(), target);
            self.order.push(name.to_owned());
        }
        target
    }

    /// Notes where values of a name go, in a file whose names mean one thing only.
    pub(super) fn decided(&mut self, name: &str, target: Target) {
        if !self.seen.contains_key(name) && self.order.len() < MAX_NAMES {
            self.seen.insert(name.to_owned(), target);
            self.order.push(name.to_owned());
        }
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
        let is_title =
            |target: &Target| matches!(target, Target::Field { field: Field::Title, .. } | Target::AsWritten);
        self.seen.values().any(is_title)
    }

    /// Name → field, in the order of the file, for people.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let describe = |name: &String| match self.seen.get(name) {
            Some(Target::Field { field, .. }) => field.as_str().to_owned(),
            Some(Target::Tags) => Field::Subjects.as_str().to_owned(),
            Some(Target::MoreAuthors) => Field::Authors.as_str().to_owned(),
            Some(Target::Personal) => "left out: personal data".to_owned(),
            Some(Target::AsWritten) => "as libellus wrote it".to_owned(),
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
    // Project Gutenberg's number of a text; without the mark it would be the text.
    if name.trim() == "Text#" {
        return Target::Field { field: Field::Id, rank: 0 };
    }
    TARGETS.get(&key(name)).copied().unwrap_or(Target::Extra)
}

fn has(names: &str, name: &str) -> bool {
    let wanted = key(name);
    names.split(", ").any(|name| key(name) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_dozen_languages() {
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
            ("Average Rating", "extra"),
            ("Additional Authors", "authors"),
            ("Secondary Author", "authors"),
            ("ISBN/UID", "isbns"),
            ("Titolo", "title"),
            ("Tytuł", "title"),
            ("書名", "title"),
            ("Ondertitel", "subtitle"),
            ("Autore", "authors"),
            ("Författare", "authors"),
            ("Casa editrice", "publisher"),
            ("Editora", "publisher"),
            ("Wydawnictwo", "publisher"),
            ("Ano de publicação", "year"),
            ("Rok wydania", "year"),
            ("Jaar van uitgave", "year"),
            ("Год издания", "year"),
            ("Lingua", "language"),
            ("Taal", "language"),
            ("Język", "language"),
            ("Soggetti", "subjects"),
            ("Assunto", "subjects"),
            ("Słowa kluczowe", "subjects"),
            ("Trefwoorden", "subjects"),
            ("Doelgroep", "audience"),
            ("Faixa etária", "audience"),
            ("Descrizione", "description"),
            ("Samenvatting", "description"),
            ("Opis", "description"),
            ("简介", "description"),
        ] {
            let mut mapping = Mapping::default();
            mapping.target(name);
            assert_eq!(mapping.described(), [(name.to_owned(), expected.to_owned())], "{name}");
        }
    }

    #[test]
    fn what_readers_noted_is_left_out() {
        let goodreads = "My Rating, Date Read, Date Added, Bookshelves, Bookshelves with positions, Exclusive Shelf, \
                         My Review, Spoiler, Private Notes, Read Count, Owned Copies";
        let librarything = "Review, Rating, Comment, Private Comment, Acquired, Date Started, Date Read, Barcode, \
                            BCID, Collections, Entry Date, From Where, Lending Patron, Lending Status, Lending \
                            Start, Lending End, Purchase Price";
        for names in [goodreads, librarything] {
            let mut mapping = Mapping::default();
            mapping.look_at(names.split(", "));
            for name in names.split(", ").flat_map(|name| [name.to_owned(), name.to_lowercase().replace(' ', "_")]) {
                assert_eq!(mapping.target(&name), Target::Personal, "{name}");
            }
        }
        let mut mapping = Mapping::default();
        mapping.look_at(["title", "rating", "barcode"].into_iter());
        for name in ["rating", "barcode"] {
            assert_eq!(mapping.target(name), Target::Extra, "a library's own {name}");
        }
        assert_eq!(mapping.target("Review"), Target::Personal);
    }

    #[test]
    fn no_name_means_two_things() {
        let fields = NAMES.iter().map(|(field, names)| (field.as_str(), *names));
        let mut meanings: HashMap<String, &str> = HashMap::new();
        for (meaning, names) in fields.chain([
            ("tags", TAGS),
            ("more authors", MORE_AUTHORS),
            ("personal", PERSONAL),
            ("of readers", PERSONAL_OF_READERS),
        ]) {
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
