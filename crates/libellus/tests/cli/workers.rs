//! Several processes that embed one catalogue: no work is done twice, and none is lost when one of them is killed.

use super::database_server::{self as server, Server};
use super::support::*;
use libellus_catalogue::{Access, Catalogue};
use libellus_encoder::Encoder;
use serde_json::Value;
use std::process::{Child, Stdio};

const BOOKS: usize = 1500;

/// Passages with a fresh embedding.
fn embedded(database: &str) -> u64 {
    let space = Encoder::builtin().info().fingerprint.space.clone();
    let location = database.parse().expect("a location");
    let catalogue = Catalogue::open_at(&location, Access::ReadOnly).expect("opens");
    catalogue.statistics(&space).expect("counts").embedded
}

/// A catalogue of books without embeddings, on a server or in a file; `None` if there is no server.
fn catalogue(sandbox: &Sandbox, server: Option<&Server>) -> String {
    let database = match server {
        Some(server) => format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port()),
        None => sandbox.path("libellus.db").display().to_string(),
    };
    let import = sandbox.run_with_input(&["import", "--no-embed", "--db", &database, "-"], numbered_books(0..BOOKS));
    import.expect_code(0);
    database
}

fn worker(sandbox: &Sandbox, database: &str, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(&["backfill", "--threads", "1", "--json", "--db", database]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn report(worker: Child) -> Value {
    Finished::from(worker.wait_with_output().expect("it ends")).expect_code(0).json()
}

fn workers_share_the_work_and_take_over_from_the_dead(server: Option<&Server>) {
    let sandbox = Sandbox::new();
    let database = catalogue(&sandbox, server);

    // Killed as soon as it has stored something: the next batch is in its hands.
    let mut killed = worker(&sandbox, &database, &[]);
    wait_until("the first has stored something", || embedded(&database) > 0);
    let others = [worker(&sandbox, &database, &[]), worker(&sandbox, &database, &[])];
    signal(&killed, "KILL");
    killed.wait().expect("it is dead");
    let kept = embedded(&database);
    assert!(kept < BOOKS as u64, "it was killed in the middle of it");
    let reports = others.map(report);
    assert_eq!(embedded(&database), BOOKS as u64);
    for report in &reports {
        assert_eq!((&report["failed"], &report["interrupted"]), (&0.into(), &false.into()), "{report}");
    }

    // Without a death, what they did adds up: nothing was done twice.
    let changed = numbered_books(0..BOOKS).replace("The story", "Another story");
    sandbox.run_with_input(&["import", "--no-embed", "--db", &database, "-"], changed).expect_code(0);
    assert_eq!(embedded(&database), 0, "what changed is stale");
    let workers = [worker(&sandbox, &database, &[]), worker(&sandbox, &database, &[])];
    let done: Vec<u64> = workers.map(|child| report(child)["embedded"].as_u64().expect("a count")).to_vec();
    assert_eq!(done.iter().sum::<u64>(), BOOKS as u64, "{done:?}");
    assert!(done.iter().all(|&count| count > 0), "{done:?}");
    assert_eq!(report(worker(&sandbox, &database, &[]))["tokens"], 0, "what is the same is not embedded again");
}

#[test]
fn workers_share_a_file() {
    workers_share_the_work_and_take_over_from_the_dead(None);
}

#[test]
fn workers_share_a_database() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    workers_share_the_work_and_take_over_from_the_dead(Some(&server));
}

#[test]
fn a_watching_worker_embeds_what_comes_in_and_survives_the_server() {
    let Some(mut server) = Server::start(server::PGVECTOR) else { return };
    let sandbox = Sandbox::new();
    let database = catalogue(&sandbox, Some(&server));
    let watching = worker(&sandbox, &database, &["--watch"]);
    wait_until("all is embedded", || embedded(&database) == BOOKS as u64);
    server.stop();
    server.run();
    let more = numbered_books(BOOKS..BOOKS + 5);
    sandbox.run_with_input(&["import", "--no-embed", "--db", &database, "-"], more).expect_code(0);
    wait_until("the new ones are embedded", || embedded(&database) == BOOKS as u64 + 5);
    signal(&watching, "TERM");
    Finished::from(watching.wait_with_output().expect("it ends")).expect_code(130);
}

#[test]
fn a_row_that_fails_is_listed_and_blocks_no_other() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    let sandbox = Sandbox::new();
    let database = catalogue(&sandbox, Some(&server));
    server.sql(
        "postgres",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF new.passage_id = 700 THEN RAISE EXCEPTION 'not this one'; END IF; RETURN new; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON libellus.embeddings FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    assert_eq!(sandbox.run(&["backfill", "--failed", "--db", &database]).expect_code(0).stdout, "no passage failed\n");
    let finished = sandbox.run(&["backfill", "--db", &database]).expect_code(1);
    assert!(finished.stdout.contains("1 passages could not be embedded; `libellus backfill --db"), "{finished:#?}");
    assert_eq!(embedded(&database), BOOKS as u64 - 1);
    let listed = sandbox.run(&["backfill", "--failed", "--db", &database]).expect_code(1);
    // Where the others take longer than the pause, it was tried again already.
    for part in ["book `b699`, passage 1: ", "not this one", "(tried ", " times, will be tried again)"] {
        assert!(listed.stdout.contains(part), "`{part}`: {listed:#?}");
    }
    server.sql("postgres", "DROP FUNCTION refuse CASCADE");
    let finished = sandbox.run(&["backfill", "--retry-failed", "--json", "--db", &database]).expect_code(0);
    assert_eq!(finished.json()["embedded"], 1);
}
