//! Embeddings from one catalogue to another: exact, and never beside the text that they were made from.

use super::database_server::{self as server, Server};
use super::model::tiny_model;
use super::support::*;

#[test]
fn what_is_exported_is_imported_to_the_last_bit() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS.replace("moby-dick", "\"moby, \"\"dick\"\"\""));
    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port());
    sandbox.run(&["import", "--db", "laptop.db", "books.csv"]).expect_code(0);
    sandbox.run(&["import", "--no-embed", "--db", &url, "books.csv"]).expect_code(0);
    for format in ["csv", "jsonl"] {
        let export =
            |db: &str| sandbox.run(&["export", "embeddings", "--format", format, "--db", db]).expect_code(0).stdout;
        let exported = export("laptop.db");
        sandbox.run(&["import", "--no-embed", "--db", "other.db", "books.csv"]).expect_code(0);
        for db in ["other.db", &url] {
            let load = sandbox.run_with_input(&["import", "embeddings", "--json", "--db", db, "-"], &exported);
            let report = load.expect_code(0).json();
            assert_eq!((&report["stored"], &report["rejected"]), (&3.into(), &0.into()), "{report}");
            assert_eq!(export(db), exported, "{format} from {db}");
            let report = sandbox.run(&["backfill", "--json", "--db", db]).expect_code(0).json();
            assert_eq!(report["embedded"], 0, "nothing is left to embed");
        }
        std::fs::remove_file(sandbox.path("other.db")).expect("was there");
        server.sql("postgres", "DELETE FROM libellus.embeddings");
    }

    // What a table of another backend comes to, in the notation of each type.
    sandbox.run(&["import", "embeddings", "--db", &url, "none.csv"]).expect_error(1, &["cannot read `none.csv`"]);
    let exported = sandbox.run(&["export", "embeddings", "--db", "laptop.db"]).expect_code(0).stdout;
    sandbox.run_with_input(&["import", "embeddings", "--db", &url, "-"], &exported).expect_code(0);
    // Bytes, as `struct.pack` and NumPy make them: the low one first.
    let bytes = "(SELECT string_agg(decode(substr(h, 7, 2) || substr(h, 5, 2) || substr(h, 3, 2) || substr(h, 1, 2), \
                 'hex'), ''::bytea ORDER BY place) FROM (SELECT encode(float4send(x), 'hex') AS h, place \
                 FROM unnest(v) WITH ORDINALITY AS n(x, place)) AS numbers)";
    for kind in ["v::vector", "v", "v::double precision[]", "to_json(v)::text", "to_jsonb(v)", bytes] {
        let copy = format!(
            "COPY (SELECT book_id, {kind} AS embedding FROM (SELECT b.id AS book_id, e.vector::real[] AS v \
             FROM libellus.books b JOIN libellus.passages USING (book_rowid) \
             JOIN libellus.embeddings e USING (passage_id) ORDER BY b.book_rowid) AS theirs) TO STDOUT CSV HEADER"
        );
        let theirs = server.sql("postgres", &copy) + "\n";
        sandbox.run(&["import", "--no-embed", "--db", "third.db", "books.csv"]).expect_code(0);
        let refused = sandbox.run_with_input(&["import", "embeddings", "--db", "third.db", "-"], &theirs);
        assert!(refused.expect_code(2).stderr.contains("see --trust"), "{kind}");
        sandbox.run_with_input(&["import", "embeddings", "--trust", "--db", "third.db", "-"], &theirs).expect_code(0);
        let again = sandbox.run(&["export", "embeddings", "--db", "third.db"]).expect_code(0).stdout;
        assert_eq!(again.replace(",f32,", ",int8,"), exported.replace(",int8-words4,", ",int8,"), "{kind}");
        std::fs::remove_file(sandbox.path("third.db")).expect("was there");
    }
}

#[test]
fn an_array_of_numpy_and_its_table_come_back_to_the_last_bit() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    let exported = sandbox.run(&["export", "embeddings"]).expect_code(0).stdout;
    sandbox.run(&["export", "embeddings", "--format", "npy", "--output", "v.npy"]).expect_code(0);
    let array = std::fs::read(sandbox.path("v.npy")).expect("is there");
    let table = std::fs::read_to_string(sandbox.path("v.ids.csv")).expect("is there");
    assert_eq!((array.len(), table.lines().count()), (128 + 3 * 384 * 4, 4));
    assert!(String::from_utf8_lossy(&array[..128]).contains("'shape': (3, 384)"), "{table}");
    let import = |arguments: &[&str]| {
        let _ = std::fs::remove_file(sandbox.path("other.db"));
        sandbox.run(&["import", "--no-embed", "--db", "other.db", "books.csv"]).expect_code(0);
        sandbox.run(&[&["import", "embeddings", "--db", "other.db"], arguments].concat())
    };
    import(&["v.npy"]).expect_code(0);
    assert_eq!(sandbox.run(&["export", "embeddings", "--db", "other.db"]).expect_code(0).stdout, exported);
    // Another program's: a table of ids in another order of columns, and nothing that tells text and model.
    sandbox.file("ids.csv", "title,id\nx,metamorphosis\nx,nobody\nx,origin\n");
    let finished = import(&["v.npy", "--ids", "ids.csv", "--trust"]).expect_code(1);
    assert!(
        finished.stderr.contains("there is no book `nobody`") && finished.stdout.contains("2 stored"),
        "{finished:#?}"
    );
    sandbox.file("few.csv", "id\nmetamorphosis\n");
    import(&["v.npy", "--ids", "few.csv"]).expect_error(2, &["`v.npy` holds 3 vectors, but `few.csv` has 1 rows"]);
    sandbox.file("cut.npy", &array[..array.len() - 1]);
    import(&["cut.npy", "--ids", "v.ids.csv"]).expect_error(2, &["`cut.npy`", "it is cut: 2 of 3"]);
    sandbox.run(&["export", "embeddings", "--format", "npy"]).expect_error(2, &["--output FILE"]);
}

/// Some models leave their vectors as long as they come: such are neither wrong nor refused.
#[test]
fn vectors_of_a_model_that_does_not_normalise_are_right_as_they_are() {
    let sandbox = Sandbox::new();
    let model = tiny_model().with_file_name("tiny-cls").display().to_string();
    let run = |arguments: &[&str]| sandbox.run(&[arguments, &["--model", &model]].concat());
    sandbox.file("books.csv", FEW_BOOKS);
    run(&["import", "--db", "laptop.db", "books.csv"]).expect_code(0);
    let checked = run(&["check", "--repair", "--json", "--db", "laptop.db"]).expect_code(0).json();
    assert_eq!((&checked["found"], &checked["embeddings"][0]["fresh"]), (&0.into(), &3.into()), "{checked}");
    run(&["export", "embeddings", "--db", "laptop.db", "--output", "vectors.csv"]).expect_code(0);
    run(&["import", "--no-embed", "--db", "other.db", "books.csv"]).expect_code(0);
    let report = run(&["import", "embeddings", "--json", "--db", "other.db", "vectors.csv"]).expect_code(0).json();
    assert_eq!((&report["stored"], &report["rejected"]), (&3.into(), &0.into()), "{report}");
}

#[test]
fn rows_that_do_not_fit_are_reported_and_the_rest_is_stored() {
    let sandbox = Sandbox::new();
    let long = "A sentence about a ship that sails far away over the wide sea. ".repeat(60);
    sandbox.file("books.csv", format!("{FEW_BOOKS}long,Long,A. Writer,2000,{long}\n"));
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    let exported = sandbox.run(&["export", "embeddings"]).expect_code(0).stdout;
    let lines: Vec<&str> = exported.lines().collect();
    let good = lines[1];
    let fields: Vec<&str> = good.splitn(6, ',').collect();
    let unit = format!("\"[1{}]\"", ",0".repeat(383));
    let row = |changes: &[(usize, &str)]| {
        let mut fields = fields.clone();
        for &(at, value) in changes {
            fields[at] = value;
        }
        fields.join(",")
    };
    let nan = unit.replacen("[1,0", "[1,NaN", 1);
    let cases = [
        (row(&[(0, "nobody")]), "there is no book `nobody`"),
        (row(&[(1, "9")]), "has no passage 9"),
        (row(&[(1, "0")]), "passage is `0`"),
        (row(&[(2, "00000000000000000000000000000000")]), "made from another text"),
        (row(&[(2, "xyz")]), "not 32 hexadecimal digits"),
        (row(&[(2, "")]), "see --trust"),
        (row(&[(3, "abc")]), "lies in the space abc"),
        (row(&[(4, "bf16")]), "the precision `bf16` is not known"),
        (row(&[(5, "\"[1,0]\"")]), "has 2 numbers, the model's have 384"),
        (row(&[(5, &nan)]), "not finite"),
        (row(&[(5, &unit.replacen('1', "2", 1))]), "not normalised: its length is 2.0000"),
        (row(&[(5, "\"[1,x]\"")]), "`x` is not a number"),
        (row(&[(5, "")]), "no embedding"),
        ("metamorphosis,1".to_owned(), "2 fields, but the header has 6"),
        (row(&[(0, "long"), (1, "")]), "passages, and the row does not say which"),
    ];
    let mut file = lines[0].to_owned() + "\n";
    for (row, _) in &cases {
        file += &format!("{row}\n");
    }
    file += &format!("{good}\n");
    let finished = sandbox.run_with_input(&["import", "embeddings", "--json", "-"], &file).expect_code(1);
    let report = finished.json();
    assert_eq!((&report["stored"], &report["rejected"]), (&1.into(), &cases.len().into()), "{report}");
    let rejects = report["rejects"].as_array().expect("a list");
    for (n, (_, reason)) in cases.iter().enumerate() {
        let found = rejects.iter().find(|reject| reject["line"] == n + 2).expect("is listed");
        assert!(found["reason"].as_str().is_some_and(|text| text.contains(reason)), "{reason}: {found}");
    }
    assert!(finished.stderr.contains("rejected: standard input, line "), "{finished:#?}");
    let endless = "book_id,embedding\n\"".to_owned() + &"x".repeat(2 << 20);
    let finished = sandbox.run_with_input(&["import", "embeddings", "-"], endless).expect_code(2);
    assert!(finished.stderr.contains("line 2: a quotation mark opens a field and never closes it"), "{finished:#?}");
}
