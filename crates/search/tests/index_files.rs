//! Index files as an operator meets them: made, opened, followed, damaged, shared, and left out where they cannot be.

use libellus_catalogue::{Access, Book, Catalogue};
use libellus_encoder::Encoder;
use libellus_search::{
    BackfillOptions, EncoderCutter, Error, Filter, IndexOptions, Library, Mode, SearchRequest, SimilarRequest,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

static ENCODER: LazyLock<Arc<Encoder>> = LazyLock::new(|| Arc::new(Encoder::builtin()));

const TITLES: [&str; 12] = [
    "The white whale",
    "A desert planet",
    "Five sisters",
    "The life of bees",
    "Proofs and beauty",
    "A forgotten novel",
    "War in winter",
    "Cooking with herbs",
    "Stars and their death",
    "The last tsar",
    "Learning to sail",
    "A haunted house",
];

fn open(path: &Path) -> Library {
    Library::new(Arc::clone(&ENCODER), Catalogue::open(path, Access::ReadWrite).expect("opens"))
}

fn add(library: &Library, titles: &[&str]) {
    let books: Vec<Book> = titles
        .iter()
        .map(|title| Book { id: (*title).to_owned(), title: (*title).to_owned(), ..Book::default() })
        .collect();
    library.catalogue().put_books(&books, &EncoderCutter(&ENCODER)).expect("writes");
    let options = BackfillOptions { threads: 2, batch: 5, watch: false };
    library.backfill(&options, &mut |_| ControlFlow::Continue(())).expect("embeds");
}

fn kept_in(directory: &Path, trouble: fn(&Error)) -> IndexOptions {
    IndexOptions { directory: Some(directory.to_owned()), most_bytes: None, trouble }
}

fn no_trouble(error: &Error) {
    panic!("{error:?}");
}

/// Ids and scores of the answers to all titles, by meaning.
fn answers(library: &Library) -> Vec<Vec<(String, u32)>> {
    let ask = |query: &&str| {
        let request =
            SearchRequest { query: (*query).to_owned(), mode: Mode::Semantic, limit: 8, ..SearchRequest::default() };
        let response = library.search(&request).expect("an answer");
        let all = response.hits.into_iter().chain(response.related);
        all.map(|hit| (hit.book.id, hit.score.to_bits())).collect()
    };
    TITLES.iter().map(ask).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// When the file's bytes were written and which file it is, as far as the system says.
fn written(path: &Path) -> (std::time::SystemTime, u64) {
    let metadata = path.metadata().expect("there");
    (metadata.modified().expect("known"), metadata.len())
}

#[test]
fn a_file_is_made_once_and_opened_and_followed_by_every_other_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
    add(&library, &TITLES[..9]);
    let in_memory = open(&catalogue);
    assert_eq!(answers(&library), answers(&in_memory));
    let made = files(&indexes);
    assert_eq!(made.len(), 1, "{made:?}");
    let before = written(&made[0]);

    add(&in_memory, &TITLES[9..]);
    in_memory.catalogue().delete_books(&[TITLES[1]]).expect("deletes");
    let expected = answers(&in_memory);
    assert_eq!(answers(&library), expected, "the one that has the file follows");
    let another = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
    assert_eq!(answers(&another), expected, "the one that opens it follows");
    another.renew().expect("nothing to do");
    assert_eq!((files(&indexes), written(&made[0])), (made, before), "nobody wrote anything");
}

#[test]
fn a_file_that_is_worn_gives_way_to_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
    add(&library, &TITLES[..3]);
    answers(&library);
    let first = files(&indexes);
    // Not too many at a time to be followed.
    for part in 0..3 {
        let some: Vec<String> = (0..400).map(|n| format!("Volume {part} {n}")).collect();
        add(&library, &some.iter().map(String::as_str).collect::<Vec<_>>());
        answers(&library);
    }
    let expected = answers(&library);
    assert_eq!(files(&indexes), first, "not while a reader waits");
    library.renew().expect("writes");
    let second = files(&indexes);
    assert!(second.len() == 1 && second != first, "{second:?}");
    assert_eq!(answers(&library), expected);
    assert_eq!(answers(&open(&catalogue)), expected);
}

#[test]
fn damage_is_found_said_and_mended() {
    static TROUBLE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let note = |error: &Error| TROUBLE.lock().expect("no panic").push(error.to_string());
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
    add(&library, &TITLES);
    let expected = answers(&library);
    let path = files(&indexes).remove(0);
    let whole = fs::read(&path).expect("reads");
    let length = whole.len();
    // In header, version, vectors, codes and notes; cut short in each.
    for at in [0, 8, 40, 100, 5_000, length / 2, length - 100, length - 1] {
        for cut in [false, true] {
            let mut bytes = whole.clone();
            if cut {
                bytes.truncate(at)
            } else {
                bytes[at] ^= 0x10
            }
            fs::write(&path, bytes).expect("writes");
            TROUBLE.lock().expect("no panic").clear();
            let library = open(&catalogue).with_index(kept_in(&indexes, note));
            assert_eq!(answers(&library), expected, "byte {at}, cut {cut}");
            let said = TROUBLE.lock().expect("no panic").join("; ");
            assert!(said.contains("index file"), "byte {at}, cut {cut}: {said:?}");
            assert_eq!(fs::read(&path).expect("reads"), whole, "byte {at}, cut {cut}: made anew");
        }
    }
    // One that is damaged while it is in use, and by books like one another.
    let library = open(&catalogue).with_index(kept_in(&indexes, note));
    library.prepare().expect("opens");
    let mut bytes = whole.clone();
    bytes[100..5_000].fill(0xff);
    fs::write(&path, bytes).expect("writes");
    let similar = SimilarRequest { ids: vec![TITLES[0].to_owned()], limit: 5, filter: Filter::default() };
    assert!(!library.similar(&similar).expect("an answer").hits.is_empty());
    assert_eq!(answers(&library), expected);
}

#[test]
fn a_file_of_another_catalogue_or_history_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    {
        let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
        add(&library, &TITLES[..6]);
        answers(&library);
    }
    // Another catalogue takes the place, and comes to a later revision by a way of its own.
    fs::remove_file(&catalogue).expect("removes");
    let other = open(&catalogue);
    for title in &TITLES[4..] {
        add(&other, &[title]);
    }
    let expected = answers(&other);
    let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
    assert_eq!(answers(&library), expected);
    // Two catalogues share the directory.
    let beside = open(&folder.path().join("b.db")).with_index(kept_in(&indexes, no_trouble));
    add(&beside, &TITLES[..2]);
    assert_ne!(answers(&beside), expected);
    assert_eq!(answers(&open(&catalogue).with_index(kept_in(&indexes, no_trouble))), expected);
}

#[test]
fn writers_and_readers_share_a_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    add(&open(&catalogue), &TITLES);
    let expected = answers(&open(&catalogue));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let library = open(&catalogue).with_index(kept_in(&indexes, no_trouble));
                    assert_eq!(answers(&library), expected);
                }
            });
        }
    });
    let left = files(&indexes);
    assert!(left.len() == 1 && left[0].extension().is_some_and(|end| end == "index"), "{left:?}");
}

#[test]
fn without_room_for_a_file_the_index_is_in_memory_and_it_is_said() {
    static TROUBLE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let note = |error: &Error| TROUBLE.lock().expect("no panic").push(error.to_string());
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    fs::write(&indexes, "no directory").expect("writes");
    let library = open(&catalogue).with_index(kept_in(&indexes, note));
    add(&library, &TITLES);
    assert_eq!(answers(&library), answers(&open(&catalogue)));
    let said = TROUBLE.lock().expect("no panic").join("; ");
    assert!(said.contains("cannot be read or written"), "{said}");
}

#[test]
fn a_ceiling_is_kept_or_it_is_said_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, indexes) = (folder.path().join("a.db"), folder.path().join("indexes"));
    add(&open(&catalogue), &TITLES);
    let ask = |directory: Option<&Path>, most| {
        let options = IndexOptions {
            directory: directory.map(Path::to_owned),
            most_bytes: Some(most),
            ..IndexOptions::default()
        };
        let library = open(&catalogue).with_index(options);
        library.prepare().map_err(|error| error.to_string())
    };
    // 12 vectors of 384 floats are 18 kB, their codes 3 kB.
    assert_eq!(ask(None, 30_000), Ok(()));
    assert_eq!(ask(Some(&indexes), 5_000), Ok(()));
    let error = ask(None, 5_000).expect_err("too little");
    assert!(error.contains("index of 12 passages") && error.contains("--index-dir"), "{error}");
    fs::remove_dir_all(&indexes).expect("removes");
    let error = ask(Some(&indexes), 1_000).expect_err("too little for either");
    assert!(error.contains("raise `--index-memory`") && !error.contains("--index-dir"), "{error}");
}
