//! Libraries as readers and operators meet them: a few books, the built-in model, a catalogue in memory or in a file.

use libellus_catalogue::{Book, Catalogue};
use libellus_search::{
    BackfillOptions, BackfillReport, EncoderCutter, Error, Field, FoundBy, Mode, SearchRequest, SearchResponse,
    sample_queries,
};
mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use support::{BOOKS, ENCODER, all_books, backfill, book, found, library, library_at, put, search};

/// A report on two models asks for books of all the catalogue, its end too.
#[test]
fn sampled_queries_are_spread_evenly() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let mut books = 0..;
    for count in [150, 199, 1000] {
        let more: Vec<Book> = books
            .by_ref()
            .map(|n| Book { id: n.to_string(), title: n.to_string(), ..Book::default() })
            .take(count - catalogue.statistics("").expect("counts").books as usize)
            .collect();
        catalogue.put_books(&more, &EncoderCutter(&ENCODER)).expect("writes");
        let queries = sample_queries(&catalogue, 100).expect("reads");
        let places: Vec<usize> = queries.iter().map(|title| title.parse().expect("a number")).collect();
        assert_eq!(places.len(), 100, "{count}");
        for (place, number) in places.iter().enumerate() {
            assert_eq!(number * 100 / count, place, "one of each hundredth of {count}");
        }
    }
    assert!(sample_queries(&Catalogue::in_memory().expect("opens"), 100).expect("reads").is_empty());
}

#[test]
fn books_are_found_by_meaning() {
    let library = library();
    put(&library, &all_books());
    assert_eq!(backfill(&library).embedded, 8);
    let cases = [
        ("a man is turned into a giant cockroach", "insect"),
        ("obsession at sea with a huge animal", "whale"),
        ("matchmaking among the gentry", "sisters"),
        ("politics on a sandy world in outer space", "dunes"),
        ("insects that make honey", "bees"),
        ("why is pure maths worth doing", "numbers"),
        ("mystery about a lost writer in Spain", "cemetery"),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&library, query, Mode::Semantic)[0], expected, "{query}");
    }
}

#[test]
fn an_answer_says_what_was_searched_and_why_a_book_is_there() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    for mode in Mode::ALL {
        let response = search(&library, "  white whale ", mode).expect("an answer");
        assert_eq!((response.query.as_str(), response.mode), ("white whale", mode));
        assert_eq!(response.searched_books, 8);
        assert_eq!(response.query_tokens.is_some(), mode != Mode::Keyword);
        let ranks: Vec<usize> = response.hits.iter().map(|hit| hit.rank).collect();
        assert_eq!(ranks, (1..=response.hits.len()).collect::<Vec<_>>());
        assert!(response.hits.is_sorted_by(|a, b| a.score >= b.score), "{mode}: best first");
        let best = &response.hits[0];
        assert_eq!(best.book, book(BOOKS[0]));
        assert_eq!(best.passage, BOOKS[0][4]);

        let json = serde_json::to_value(&response).expect("JSON");
        let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
        let expected = ["query", "mode", "hits", "related", "total", "searched_books", "query_tokens", "timings"];
        let expected: Vec<&str> =
            expected.into_iter().filter(|key| *key != "related" || !response.related.is_empty()).collect();
        assert_eq!(keys, expected);
        let hit_keys: Vec<&String> = json["hits"][0].as_object().expect("an object").keys().collect();
        let highlighted = mode != Mode::Semantic;
        let expected = ["rank", "score", "book", "passage", "reason", "highlights"];
        assert_eq!(hit_keys, expected[..5 + usize::from(highlighted)]);
    }
}

#[test]
fn a_book_that_is_named_comes_first_and_one_that_is_described_is_found_anyway() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    // For each of them: the query, the book, whether it names it.
    let mut cases = vec![
        ("a man is turned into a giant cockroach".to_owned(), "insect", false),
        ("obsession at sea with a huge animal".to_owned(), "whale", false),
        ("insects that make honey".to_owned(), "bees", false),
    ];
    for [id, title, author, ..] in BOOKS {
        cases.push((title.to_owned(), id, true));
        cases.push((title.to_uppercase(), id, true));
        cases.push((format!("{author} {title}"), id, true));
        cases.push((format!("{title} by {author}"), id, true));
    }
    for (query, expected, is_named) in cases {
        let response = search(&library, &query, Mode::Hybrid).expect("an answer");
        let best = response.shown().next().expect("a book");
        assert_eq!((best.book.id.as_str(), best.reason.is_named), (expected, is_named), "{query}: {:?}", best.reason);
        assert_eq!(best.score >= 1.0, is_named, "{query}: {}", best.score);
    }
}

#[test]
fn signs_hold_whichever_way_a_book_is_found() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let cases: [(&str, &[&str]); 6] = [
        ("author:herbert a whale at sea", &["dunes"]),
        ("\"english countryside\" a whale at sea", &["sisters"]),
        ("a whale at sea author:nobody", &[]),
        ("author:austen -sisters marriage", &[]),
        ("isbn:9780141439587", &[]),
        ("?!…", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&library, query, Mode::Hybrid), expected, "{query}");
    }
    let without = found(&library, "an animal at sea -whale", Mode::Hybrid);
    assert!(without.len() > 1 && !without.contains(&"whale".to_owned()), "{without:?}");
}

#[test]
fn a_library_that_is_kept_prepared_finds_new_books_and_lets_nobody_wait() {
    let library = Arc::new(library());
    put(&library, &all_books());
    backfill(&library);
    library.prepare().expect("a catalogue that can be read");
    library.keep_prepared();
    let new = book(["songs", "Whale Songs", "N. N.", "whales", "Recorded at sea."]);
    put(&library, &[new]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !found(&library, "whale songs", Mode::Keyword).contains(&"songs".to_owned()) {
        assert!(Instant::now() < deadline, "a book that came is found by its words");
        thread::sleep(Duration::from_millis(20));
    }
    let weak = Arc::downgrade(&library);
    drop(library);
    while weak.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the thread ends with the library");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_number_that_no_book_has_finds_no_book() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    assert!(found(&library, "978-0-14-143958-7", Mode::Hybrid).is_empty());
}

#[test]
fn each_hit_says_why_it_is_there() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let by_words = &search(&library, "moby whale", Mode::Keyword).expect("an answer").hits[0].reason;
    assert_eq!((by_words.found_by, by_words.semantic_score), (FoundBy::Lexical, None));
    assert!(by_words.keyword_score.is_some_and(|score| score > 0.0));
    let words: Vec<&str> = by_words.words.iter().map(|found| found.word.as_str()).collect();
    assert_eq!(words, ["moby", "whale"]);
    assert_eq!(by_words.words[0].fields, Field::Title.into());
    assert!(by_words.words[1].fields.contains(Field::Description));

    let answer = search(&library, "a giant cockroach", Mode::Semantic).expect("an answer");
    let by_meaning = &answer.shown().next().expect("a book").reason;
    assert_eq!((by_meaning.found_by, by_meaning.keyword_score), (FoundBy::Semantic, None));
    assert!(by_meaning.words.is_empty() && by_meaning.semantic_score.is_some(), "{by_meaning:?}");
    let both = search(&library, "hunting the white whale", Mode::Hybrid).expect("an answer");
    assert_eq!(both.hits[0].reason.found_by, FoundBy::Both);
    assert!(both.shown().any(|hit| hit.reason.found_by == FoundBy::Semantic), "related books follow");
}

#[test]
fn the_sentence_that_is_nearest_is_given_if_asked_for() {
    let library = library();
    let text = "The accounts of the estate are given in full. A comet appears above the orchard. The geese are sold.";
    put(
        &library,
        &[Book { description: Some(text.to_owned()), ..book(["long", "An Estate", "A Steward", "farms", ""]) }],
    );
    backfill(&library);
    let query = "a bright light in the night sky".to_owned();
    for sentences in [false, true] {
        let request = SearchRequest { query: query.clone(), sentences, ..SearchRequest::default() };
        let response = library.search(&request).expect("an answer");
        let expected = sentences.then_some("A comet appears above the orchard.");
        let best = response.shown().next().expect("a book");
        assert_eq!(best.reason.sentence.as_deref(), expected);
    }
}

#[test]
fn spelling_is_put_right_for_both_ways_and_said_and_can_be_revoked() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let asked = |exact| {
        let query = "the cemetary of forgoten boks zafon".to_owned();
        library.search(&SearchRequest { query, exact, ..SearchRequest::default() }).expect("an answer")
    };
    let (corrected, exact) = (asked(false), asked(true));
    assert!(!corrected.corrections.is_empty() && exact.corrections.is_empty());
    assert_eq!(corrected.hits[0].book.id, "cemetery");
    assert_eq!(exact.query, corrected.query, "what was typed is shown as it was typed");
    let cosine = |response: &SearchResponse| response.hits[0].reason.semantic_score.expect("a cosine");
    assert!(cosine(&corrected) > cosine(&exact), "the model reads what was meant");
}

#[test]
fn without_embeddings_books_are_searched_by_words_and_the_answer_says_so() {
    let library = library();
    put(&library, &all_books());
    let response = search(&library, "moby dick", Mode::Hybrid).expect("an answer");
    assert_eq!(response.hits[0].book.id, "whale");
    assert_eq!(response.hits[0].reason.found_by, FoundBy::Lexical);
    let why = response.degraded.expect("a reason");
    assert_eq!(why, "nothing is embedded for `all-MiniLM-L6-v2` yet");
    backfill(&library);
    assert_eq!(search(&library, "moby dick", Mode::Hybrid).expect("an answer").degraded, None);
}

#[test]
fn the_passage_that_matches_is_the_one_named() {
    let library = library();
    let filler = "The household accounts of the estate are given in full for the year. ".repeat(60);
    let comet = "A comet appears in the night sky above the orchard and frightens the geese. ".repeat(10);
    let long = Book {
        description: Some(format!("{filler}{comet}{filler}")),
        ..book(["long", "An Estate", "A Steward", "accounts", ""])
    };
    put(&library, &[book(BOOKS[5]), long]);
    backfill(&library);
    for mode in [Mode::Semantic, Mode::Keyword] {
        let response = search(&library, "a comet in the sky", mode).expect("an answer");
        let best = &response.hits[0];
        assert_eq!(best.book.id, "long", "{mode}");
        assert!(best.passage.contains("comet"), "{mode}: {}", best.passage);
        assert!(best.passage.len() < filler.len(), "{mode}: a passage, not the whole description");
        assert!(response.hits.iter().skip(1).all(|hit| hit.book.id != "long"), "{mode}: a book is found once");
    }
}

#[test]
fn a_book_without_a_description_shows_what_was_read_of_it() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    for mode in [Mode::Semantic, Mode::Keyword] {
        let response = search(&library, "untold", mode).expect("an answer");
        let hit = response.hits.iter().find(|hit| hit.book.id == "untold").expect("the book");
        assert_eq!(hit.passage, "Untold by Anonymous.", "{mode}");
    }
}

#[test]
fn after_a_backfill_the_file_alone_holds_the_embeddings_while_others_have_it_open() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("libellus.db");
    let (server, writer) = (library_at(&path), library_at(&path));
    assert!(found(&server, "whales", Mode::Semantic).is_empty());
    put(&writer, &all_books());
    backfill(&writer);
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).expect("copied");
    let counts = library_at(&copy).readiness().expect("counts").catalogue;
    assert_eq!((counts.books, counts.embedded), (8, 8));
}

#[test]
fn books_are_found_by_words_without_embeddings() {
    let library = library();
    put(&library, &all_books());
    let cases: [(&str, &[&str]); 5] = [
        ("zafon", &["cemetery"]),
        ("MOBY DICK", &["whale"]),
        ("mathematicians apology", &["numbers"]),
        ("untold", &["untold"]),
        ("zzz", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&library, query, Mode::Keyword), expected, "{query}");
    }
}

#[test]
fn books_are_found_by_all_that_stands_for_them() {
    let library = library();
    let mut dune = book(["dune", "Der Wüstenplanet", "Frank Herbert", "deserts", "Spice is mined."]);
    dune.isbns = vec!["0441013597".to_owned()];
    for (name, value) in [
        ("Series", "Dune-Zyklus ; 1"),
        ("alternative titles", "Dune"),
        ("contributors", "Hahn, Ronald M."),
        ("Call Number", "PS3558.E63 D8"),
        ("dewey", "813.54"),
    ] {
        dune.extra.insert(name.to_owned(), value.into());
    }
    put(&library, &[book(["other", "978 Nights", "Hero", "Dewey", "813 and 54 are numbers."]), dune]);
    for query in [
        "0-441-01359-7",
        "978 0 441 01359 3",
        "isbn:9780441013593",
        "ps 3558 e63 d8",
        "813.54",
        "series:zyklus",
        "title:dune",
        "author:hahn",
        "wuestenplanet wustenplanet",
        "\"spice is\" -nights",
    ] {
        assert_eq!(found(&library, query, Mode::Keyword)[0], "dune", "{query}");
    }
    assert_eq!(found(&library, "0441013598", Mode::Keyword), [] as [&str; 0], "a wrong check digit is another number");
}

#[test]
fn a_changed_description_is_found_by_its_new_meaning_after_a_backfill() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let query = "penguins on an ice floe";
    let mut changed = book(BOOKS[5]);
    changed.description = Some("Emperor penguins huddle through the Antarctic night on the ice.".to_owned());
    put(&library, &[changed]);
    assert!(!found(&library, query, Mode::Semantic).contains(&"numbers".to_owned()), "its vector is out of date");
    assert_eq!(found(&library, "emperor penguins", Mode::Keyword), ["numbers"], "its words are not");
    assert_eq!(backfill(&library).embedded, 1, "only what changed");
    assert_eq!(found(&library, query, Mode::Semantic)[0], "numbers");
    assert!(found(&library, "proofs", Mode::Keyword).is_empty(), "the old words are gone");
}

#[test]
fn a_change_by_another_process_is_seen() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("libellus.db");
    let (reader, writer) = (library_at(&path), library_at(&path));
    assert!(found(&reader, "whales", Mode::Semantic).is_empty(), "an empty catalogue has an empty answer");
    assert!(found(&reader, "whales", Mode::Keyword).is_empty());
    put(&writer, &[book(BOOKS[0])]);
    backfill(&writer);
    assert_eq!(found(&reader, "whales", Mode::Semantic), ["whale"]);
    assert_eq!(found(&reader, "whale", Mode::Keyword), ["whale"]);
    put(&writer, &[book(BOOKS[4])]);
    backfill(&writer);
    assert_eq!(found(&reader, "honey", Mode::Semantic)[0], "bees");
    assert_eq!(found(&reader, "queens", Mode::Keyword), ["bees"]);
}

#[test]
fn what_is_not_embedded_is_said() {
    let library = library();
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready, "an empty catalogue is not broken");
    assert_eq!(readiness.reason, None, "nor does it lack anything");

    put(&library, &all_books());
    let readiness = library.readiness().expect("counts");
    assert!(!readiness.ready);
    assert_eq!(readiness.fingerprint, ENCODER.info().fingerprint.to_string());
    let message = search(&library, "whales", Mode::Semantic).expect_err("nothing to compare with").to_string();
    assert!(message.starts_with("none of the 8 passages in `"), "{message}");
    assert!(message.contains(&format!("(384 dimensions, space {})", ENCODER.info().fingerprint.space)), "{message}");
    assert!(message.ends_with("run `libellus backfill --db memory`"), "{message}");

    let vector = vec![1.0; ENCODER.info().dim];
    let pending = library.catalogue().pending_passages("another", 0, 1).expect("passages");
    let embedding = libellus_catalogue::NewEmbedding {
        passage_id: pending[0].passage_id,
        text_hash: pending[0].text_hash,
        vector: &vector,
    };
    library.catalogue().put_embeddings("another", "f32", &[embedding]).expect("a catalogue that can be written");
    let message = search(&library, "whales", Mode::Semantic).expect_err("another model's").to_string();
    assert!(message.contains("; stored are 1 of space another; "), "{message}");

    backfill(&library);
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready && readiness.reason.is_none(), "{readiness:?}");
}

#[test]
fn a_stopped_backfill_keeps_its_batches_and_goes_on() {
    let library = library();
    put(&library, &all_books());
    let options = BackfillOptions { threads: 1, batch: 3, watch: false };
    let mut steps = Vec::new();
    let stopped = library
        .backfill(&options, &mut |progress| {
            steps.push((progress.done, progress.total));
            if steps.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("a catalogue that can be written");
    assert_eq!(steps, [(3, 8), (6, 8)]);
    assert!(
        stopped.interrupted && stopped.embedded == 6 && stopped.tokens > 0 && stopped.truncated == 0,
        "{stopped:?}"
    );
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready, "what is there can be searched");
    assert!(readiness.reason.expect("what to do").starts_with("2 of 8 passages are not embedded"));
    assert_eq!(search(&library, "whales", Mode::Semantic).expect("an answer").searched_books, 6);

    assert_eq!(backfill(&library).embedded, 2);
    assert_eq!(backfill(&library), BackfillReport::default(), "nothing left to do");
}

#[test]
fn two_backfills_at_once_both_finish() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("libellus.db");
    let libraries = [library_at(&path), library_at(&path)];
    let books: Vec<Book> = (0..40).map(|n| Book { id: format!("book-{n}"), ..book(BOOKS[n % BOOKS.len()]) }).collect();
    put(&libraries[0], &books);
    thread::scope(|scope| {
        for library in &libraries {
            scope.spawn(|| backfill(library));
        }
    });
    let counts = libraries[0].readiness().expect("counts").catalogue;
    assert_eq!((counts.passages, counts.embedded), (40, 40));
}

#[test]
fn odd_questions_are_answered_or_refused_kindly() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let refused = ["", "   ", "\0", "\u{200b}\u{feff}", "\u{1b}\u{7f}\n"];
    let answered = ["\0whale\0", "?", "\"", "title:(", "🐋", "e\u{301}\u{301}\u{301}", "दिन", "\u{202e}elahw", "-"];
    for mode in [Mode::Semantic, Mode::Keyword] {
        for query in refused {
            assert!(matches!(search(&library, query, mode), Err(Error::EmptyQuery)), "{mode} {query:?}");
        }
        for query in answered {
            assert!(search(&library, query, mode).is_ok(), "{mode} {query:?}");
        }
        let megabyte = "whale ".repeat(200_000);
        assert!(matches!(search(&library, &megabyte, mode), Err(Error::QueryTooLong)));
    }
    assert_eq!(found(&library, "\0whale\0", Mode::Keyword), ["whale"]);
    let long = "whale ".repeat(2_000);
    let tokens = search(&library, &long, Mode::Semantic).expect("an answer").query_tokens.expect("semantic");
    assert!(tokens.is_truncated(), "the answer says that the model did not read all: {tokens:?}");
}

/// What the long memoir below goes on about.
#[rustfmt::skip]
const PLAIN: [&str; 50] = [
    "My father kept a small shop at the corner of the market square.",
    "On weekdays the shutters went up at seven and came down at six.",
    "The bell above the door had a crack and rang half a tone flat.",
    "Behind the counter stood forty drawers with brass handles.",
    "Every drawer had a paper label in my mother's careful hand.",
    "Flour, sugar and salt were weighed on an iron scale.",
    "The schoolmaster bought ink by the pint and never paid before Easter.",
    "My brother learned his sums by adding up the week's receipts.",
    "In spring the river rose to the third step of the chapel.",
    "We carried the carpets upstairs and waited for the water to go.",
    "The doctor came by boat that year and complained about his boots.",
    "After the flood the plaster smelled of mud until midsummer.",
    "My aunt played the harmonium on Sundays and taught piano on Mondays.",
    "Her pupils were afraid of her ruler and fond of her ginger cake.",
    "The post arrived twice a day with a man who loved to talk.",
    "He knew who had written to whom, and how thick the letter was.",
    "In summer we slept with the windows open and heard the night trains.",
    "The station had one platform, a clock and a bed of geraniums.",
    "The stationmaster polished the clock more often than he wound it.",
    "Harvest brought strangers who slept in the barns outside the town.",
    "They sang in the evenings and mended our fences for a meal.",
    "One of them stayed, married the baker's sister and grew roses.",
    "The bakery was rebuilt in brick after the old roof fell in.",
    "Bread cost a penny more from then on, and nobody forgave it.",
    "My mother read novels aloud while we shelled the peas.",
    "She skipped the sad chapters, so that we found them later by ourselves.",
    "In autumn the leaves of the limes blocked the gutters of the town hall.",
    "The mayor climbed the ladder himself and was photographed on it.",
    "The picture hung in the council room for twenty years.",
    "My uncle wanted to be a surveyor and became a clerk instead.",
    "He measured the garden every New Year and wrote down the figures.",
    "The well was four paces from the plum tree in every one of his books.",
    "We had a goat for the milk and a quarrel with the neighbours about it.",
    "The quarrel ended when their hedge had been eaten entirely.",
    "The winter of the long frost closed the school for a month.",
    "We skated to the mill and came home with bread inside our coats.",
    "The miller's wife warmed bricks in the oven for our hands.",
    "When the thaw came, the ice broke with a sound like carts on a bridge.",
    "The first telephone in the town was put into my father's shop.",
    "People stood in line to hear the voice of the exchange.",
    "My sister went to the city to study and wrote home every Friday.",
    "Her letters described hats, lectures and the price of coal.",
    "She came back with short hair and an opinion on drains.",
    "The drains were dug two years later along the line she had drawn.",
    "The cinema opened in the old tannery and smelled of leather.",
    "I saw my first film there between the dentist and the curate.",
    "The dentist laughed in the wrong places and lent me his umbrella.",
    "At the fair a man guessed the weight of anyone for a coin.",
    "He was wrong about my grandfather by more than a stone.",
    "The shop was sold in the spring, with its drawers and its bell.",
];

const FACT: &str = "In her last winter my grandmother taught a blind fox to ride the tram to the fish market.";

/// Id, title and description of the other books: some of them about one half of the question.
#[rustfmt::skip]
const OTHERS: [[&str; 3]; 30] = [
    ["lighthouse", "The Lamp", "A keeper tends the light on a rock and writes letters that no boat can fetch."],
    ["tunnel", "Under the Pass", "Engineers and miners drive a railway tunnel through the Alps."],
    ["vaccine", "The Cowpox Doctor", "How a country doctor found the first vaccine, and who tried to stop him."],
    ["chess", "The Endgame", "A retired champion plays one last correspondence game with a prisoner."],
    ["desert", "Forty Wells", "A caravan crosses the Sahara with salt, following the stars from well to well."],
    ["orchestra", "Second Violin", "Rivalry and love among the musicians of a provincial orchestra."],
    ["bread", "Sourdough", "Recipes and patience: how to bake bread with wild yeast at home."],
    ["volcano", "Ash", "A village is buried by an eruption, and its survivors move the church stone by stone."],
    ["code", "The Cipher Room", "Young women break the enemy's codes in a country house during the war."],
    ["garden", "The Walled Garden", "Restoring a neglected kitchen garden month by month."],
    ["trial", "The Miller's Trial", "A miller is accused of witchcraft and defends himself too well."],
    ["comet", "The Return", "Two astronomers wait a lifetime apart for the same comet."],
    ["trams", "City on Rails", "A history of trams, their drivers and their depots in European cities."],
    ["foxes", "The Den", "A naturalist follows a family of wild foxes through four seasons."],
    ["guide", "Harness", "How puppies are raised and trained to be guide dogs."],
    ["plague", "The Shut House", "A family is locked into its house in the year of the plague."],
    ["cook", "The King's Table", "A kitchen boy rises to cook for an unloved king."],
    ["ice", "Beset", "A ship is trapped in the pack ice and drifts for two winters."],
    ["silk", "Mulberry", "Three generations of weavers see their trade come and go."],
    ["math", "Proofs for Everyone", "An invitation to the elegance of numbers, without any formulas."],
    ["spy", "The Quiet Clerk", "A filing clerk sells secrets for years and is betrayed by a typewriter ribbon."],
    ["twins", "Left and Right", "Twins parted at birth meet as opponents in an election."],
    ["opera", "The Understudy", "A singer gets her chance when the soprano loses her voice."],
    ["mountain", "No Summit", "Why four climbers turned around just below the top, and never regretted it."],
    ["school", "The Long Corridor", "A shy boy survives boarding school with the help of the librarian."],
    ["birds", "Swift", "The lives of swifts, who eat, drink and sleep on the wing."],
    ["strike", "The Match Girls", "Workers at a match factory strike for their health and win."],
    ["map", "The Blank Sheet", "A mapmaker invents an island to catch those who copy him."],
    ["river", "Downstream", "A journey by raft from the source of a great river to the sea."],
    ["robot", "The Minder", "A household robot has to decide which of its owners to obey."],
];

/// Words of a description that the model cannot read at once.
const LONG: usize = 1500;

/// The plain sentences, again and again in another order, until there are enough; then the fact.
fn memoir() -> String {
    let mut sentences: Vec<&str> = Vec::new();
    let mut words = 0;
    for step in [1, 7, 11, 13, 17, 19] {
        for n in 0..PLAIN.len() {
            if words < LONG {
                sentences.push(PLAIN[n * step % PLAIN.len()]);
                words += PLAIN[n * step % PLAIN.len()].split_whitespace().count();
            }
        }
    }
    sentences.push(FACT);
    sentences.join(" ")
}

#[test]
fn one_fact_at_the_end_of_a_long_description_is_found_in_other_words() {
    let library = library();
    let mut books: Vec<Book> =
        OTHERS.into_iter().map(|[id, title, description]| book([id, title, "Various", "", description])).collect();
    books.push(book(["memoir", "The Corner Shop", "Edith Marlowe", "country life", &memoir()]));
    put(&library, &books);
    backfill(&library);

    let queries = [
        "a fox that cannot see takes the streetcar to buy fish",
        "grandma trains a sightless fox to travel by streetcar",
        "blind wild animal as a passenger of the tramway",
    ];
    let mut missed = Vec::new();
    for query in queries {
        let hits = search(&library, query, Mode::Semantic).expect("an answer").hits;
        if hits[0].book.id != "memoir" || !hits[0].passage.contains(FACT) {
            let shown: Vec<(String, f32)> = hits.into_iter().map(|hit| (hit.book.id, hit.score)).collect();
            missed.push((query, shown));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
