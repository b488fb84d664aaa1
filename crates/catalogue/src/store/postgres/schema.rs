//! The tables, all in a schema `libellus` of our own, and how an older catalogue becomes a current one.
//!
//! Every name is qualified: nothing here depends on a search path, and tables of other programs in the same database,
//! called `books` or not, are never touched. `libellus.meta` holds the number of migrations that a catalogue has been
//! through. A migration that was released is never edited: a change is a new one at the end.

use super::failure::{Failure, named};
use super::pool::{Answer, Parameter, Pool};
use crate::Error;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// The schema that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Of two programs that migrate at once, one waits for the other: `libellus` in ASCII.
const MIGRATION_LOCK: i64 = 0x6c69_6265_6c6c_7573;

/// What leads from version n to n + 1; `VECTOR` stands for the type of the embeddings.
///
/// 1. As in SQLite. Lists and the extra fields are `json`, which keeps them letter for letter. Vectors are stored
///    uncompressed, which they are by themselves with pgvector: their digits are noise, and trying costs time. The
///    index answers what is fresh without reading the vectors.
/// 2. Which passages a worker has in hand, and which could not be embedded: see `claims.rs`.
/// 3. What was adopted of another program's tables, which of our books came from there, and which of its rows changed:
///    see `adopt/`. The changes have no constraint but their number, so that whoever notes one waits for nobody.
/// 4. What spaces are for: rows of `meta` called by the role; see `store/role.rs`. Not a table of its own, which roles
///    that may only read could not read.
/// 5. Which books changed at which revision: see `changes.rs`. Triggers see to it, for whatever way a change comes. What
///    they call works with our rights, as do the functions for those who may only read: no grant has to be given anew.
/// 6. Keys of the HTTP API: see `key.rs`. As for the changes, functions look them up for those who may only read; whoever has
///    a key may ask for it, and nobody may list them by these.
/// 7. The trigger of 5 looks each passage up, where the server would read all passages to join a few thousand to them.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE libellus.meta (
    key text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO libellus.meta VALUES ('schema', 0), ('revision', 0);

CREATE TABLE libellus.books (
    book_rowid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    title text NOT NULL,
    subtitle text,
    authors json NOT NULL,
    isbns json NOT NULL,
    publisher text,
    year integer,
    language text,
    subjects json NOT NULL,
    audience text,
    description text,
    extra json NOT NULL
);

CREATE TABLE libellus.passages (
    passage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_rowid bigint NOT NULL REFERENCES libellus.books ON DELETE CASCADE,
    ordinal integer NOT NULL,
    text_hash bytea NOT NULL,
    context text NOT NULL,
    text text NOT NULL,
    UNIQUE (book_rowid, ordinal)
);

CREATE TABLE libellus.embeddings (
    passage_id bigint NOT NULL REFERENCES libellus.passages ON DELETE CASCADE,
    space text NOT NULL,
    precision text NOT NULL,
    text_hash bytea NOT NULL,
    vector VECTOR NOT NULL,
    PRIMARY KEY (passage_id, space)
);
ALTER TABLE libellus.embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;
CREATE INDEX embeddings_freshness ON libellus.embeddings (space, passage_id) INCLUDE (text_hash);
",
    "
CREATE TABLE libellus.claims (
    passage_id bigint NOT NULL REFERENCES libellus.passages ON DELETE CASCADE,
    space text NOT NULL,
    text_hash bytea NOT NULL,
    attempts integer NOT NULL,
    held boolean NOT NULL,
    until timestamptz NOT NULL,
    reason text,
    PRIMARY KEY (passage_id, space)
);
",
    "
CREATE TABLE libellus.adoption (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    mapping json NOT NULL,
    copied_to text,
    is_copied boolean NOT NULL DEFAULT false
);
CREATE TABLE libellus.adopted_books (
    book_rowid bigint PRIMARY KEY REFERENCES libellus.books ON DELETE CASCADE
);
CREATE TABLE libellus.changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text
);
CREATE TABLE libellus.agreements (
    space text NOT NULL,
    precision text NOT NULL,
    measured json NOT NULL,
    PRIMARY KEY (space, precision)
);
",
    "
ALTER TABLE libellus.meta ADD COLUMN space text, ADD COLUMN model text;
",
    "
CREATE TABLE libellus.changed_books (
    revision bigint NOT NULL,
    book_rowid bigint NOT NULL,
    PRIMARY KEY (revision, book_rowid)
);
INSERT INTO libellus.changed_books
    SELECT value, -1 - floor(random() * 9e15)::bigint FROM libellus.meta WHERE key = 'revision';
CREATE FUNCTION libellus.record_changed_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $libellus$
DECLARE
    next bigint := value + 1 FROM libellus.meta WHERE key = 'revision';
BEGIN
    IF TG_TABLE_NAME = 'embeddings' THEN
        INSERT INTO libellus.changed_books
            SELECT DISTINCT next, p.book_rowid FROM changed_rows JOIN libellus.passages p USING (passage_id)
            ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO libellus.changed_books SELECT DISTINCT next, c.book_rowid FROM changed_rows c
            ON CONFLICT DO NOTHING;
    END IF;
    IF FOUND AND NOT EXISTS (SELECT FROM libellus.changed_books WHERE revision = next AND book_rowid < 0) THEN
        INSERT INTO libellus.changed_books VALUES (next, -1 - floor(random() * 9e15)::bigint);
        DELETE FROM libellus.changed_books WHERE revision < next - 1000 AND next % 50 = 0;
    END IF;
    RETURN NULL;
END $libellus$;
CREATE FUNCTION libellus.state(OUT revision bigint, OUT mark_revision bigint, OUT mark bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $libellus$
    SELECT m.value, c.revision, c.book_rowid FROM libellus.meta m LEFT JOIN LATERAL (
        SELECT * FROM libellus.changed_books b WHERE b.revision <= m.value AND b.book_rowid < 0
        ORDER BY b.revision DESC LIMIT 1
    ) c ON true WHERE m.key = 'revision'
$libellus$;
CREATE FUNCTION libellus.changed_since(revision bigint, mark_revision bigint, mark bigint, most bigint)
    RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $libellus$
    SELECT NULL::bigint
        WHERE NOT EXISTS (SELECT FROM libellus.changed_books b WHERE b.revision = $2 AND b.book_rowid = $3 AND b.book_rowid < 0)
    UNION ALL
    (SELECT DISTINCT b.book_rowid FROM libellus.changed_books b WHERE b.revision > $1 AND b.book_rowid > 0
        ORDER BY b.book_rowid LIMIT $4)
$libellus$;
CREATE TRIGGER record_insert AFTER INSERT ON libellus.books
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_update AFTER UPDATE ON libellus.books
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_delete AFTER DELETE ON libellus.books
    REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_insert AFTER INSERT ON libellus.passages
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_update AFTER UPDATE ON libellus.passages
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_delete AFTER DELETE ON libellus.passages
    REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_insert AFTER INSERT ON libellus.embeddings
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_update AFTER UPDATE ON libellus.embeddings
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
CREATE TRIGGER record_delete AFTER DELETE ON libellus.embeddings
    REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION libellus.record_changed_books();
",
    "
CREATE TABLE libellus.api_keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    scope text NOT NULL,
    filter text,
    created bigint NOT NULL,
    expires bigint,
    hash bytea NOT NULL UNIQUE
);
CREATE FUNCTION libellus.api_key(wanted bytea)
    RETURNS TABLE (id text, name text, scope text, filter text, created bigint, expires bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $libellus$
    SELECT k.id, k.name, k.scope, k.filter, k.created, k.expires FROM libellus.api_keys k WHERE k.hash = $1
$libellus$;
CREATE FUNCTION libellus.has_api_keys() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $libellus$
    SELECT EXISTS (SELECT FROM libellus.api_keys)
$libellus$;
",
    "
CREATE OR REPLACE FUNCTION libellus.record_changed_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off AS $libellus$
DECLARE
    next bigint := value + 1 FROM libellus.meta WHERE key = 'revision';
BEGIN
    IF TG_TABLE_NAME = 'embeddings' THEN
        INSERT INTO libellus.changed_books
            SELECT DISTINCT next, p.book_rowid FROM changed_rows c CROSS JOIN LATERAL (
                SELECT q.book_rowid FROM libellus.passages q WHERE q.passage_id = c.passage_id OFFSET 0
            ) p ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO libellus.changed_books SELECT DISTINCT next, c.book_rowid FROM changed_rows c
            ON CONFLICT DO NOTHING;
    END IF;
    IF FOUND AND NOT EXISTS (SELECT FROM libellus.changed_books WHERE revision = next AND book_rowid < 0) THEN
        INSERT INTO libellus.changed_books VALUES (next, -1 - floor(random() * 9e15)::bigint);
        DELETE FROM libellus.changed_books WHERE revision < next - 1000 AND next % 50 = 0;
    END IF;
    RETURN NULL;
END $libellus$;
",
];

/// What the migrations made besides tables, to be dropped after those.
pub(super) const DROP_FUNCTIONS: &str = "DROP FUNCTION IF EXISTS libellus.record_changed_books(), libellus.state(), \
                                         libellus.changed_since(bigint, bigint, bigint, bigint), \
                                         libellus.api_key(bytea), libellus.has_api_keys()";

/// What this program made besides the tables, for an administrator may have: keys in `libellus.meta`.
pub(super) const MADE_SCHEMA: &str = "made schema";
pub(super) const MADE_EXTENSION: &str = "made extension";
/// That a table was adopted here once, and so that the catalogue is copies of it, or was.
pub(super) const HAS_COPIES: &str = "has copies";

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing of ours.
    Empty,
    /// A schema of our name that another program made.
    Foreign,
    /// A catalogue.
    Catalogue {
        version: i64,
        /// The type of the embeddings, qualified.
        vector: String,
        /// Why nothing can be written, if so.
        read_only: Option<&'static str>,
    },
}

/// Finds out what the database holds, without changing it.
pub(super) async fn inspect(client: &Client) -> Answer<State> {
    // One statement over the system's tables, so that what another process is just making is seen whole or not at all.
    // `to_regclass` would not do: it sees what was committed since the statement began, and the tables do not.
    let row = client
        .query_typed_one(
            "WITH tables AS (SELECT c.oid, c.relname FROM pg_catalog.pg_class c \
                             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                             WHERE n.nspname = 'libellus' AND c.relkind IN ('r', 'p')) \
             SELECT EXISTS (SELECT FROM tables WHERE relname = 'meta'), \
                    EXISTS (SELECT FROM tables), \
                    (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) \
                     FROM tables \
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = tables.oid AND a.attname = 'vector' \
                     JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                     JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
                     WHERE tables.relname = 'embeddings'), \
                    pg_catalog.pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'",
            &[],
        )
        .await?;
    let (marked, has_tables): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (vector, reads_only): (Option<String>, bool) = (row.try_get(2)?, row.try_get(3)?);
    match (marked, vector) {
        (false, _) if !has_tables => Ok(State::Empty),
        (true, Some(vector)) => {
            let row = client
                .query_typed_one(
                    "SELECT (SELECT value FROM libellus.meta WHERE key = 'schema'), \
                            has_table_privilege('libellus.books', 'INSERT') AND \
                            has_table_privilege('libellus.passages', 'INSERT') AND \
                            has_table_privilege('libellus.embeddings', 'INSERT') AND \
                            has_table_privilege('libellus.meta', 'UPDATE')",
                    &[],
                )
                .await?;
            let (version, may_write): (Option<i64>, bool) = (row.try_get(0)?, row.try_get(1)?);
            let read_only = match (reads_only, may_write) {
                (true, _) => Some("the server is a standby, or is set to read only; name its primary in the address"),
                (false, false) => Some(
                    "this role may only read; grant it INSERT, UPDATE and DELETE on the tables in the schema libellus",
                ),
                (false, true) => None,
            };
            Ok(version.map_or(State::Foreign, |version| State::Catalogue { version, vector, read_only }))
        }
        _ => Ok(State::Foreign),
    }
}

/// Brings the database up to date in one transaction.
///
/// What it holds is looked at again inside: of two processes that open a new database at once, the second waits and
/// finds the work done.
pub(super) fn migrate(pool: &Pool) -> Result<(), Error> {
    pool.write(async |client| {
        let parameters: &[Parameter<'_>] = &[(&MIGRATION_LOCK, Type::INT8)];
        client.execute_typed("SELECT pg_catalog.pg_advisory_xact_lock($1)", parameters).await?;
        let (done, vector, made) = match inspect(client).await? {
            State::Catalogue { version, .. } if version >= VERSION => return Ok(()),
            State::Catalogue { version, vector, .. } => (version, vector, Vec::new()),
            State::Foreign => return Ok(()),
            State::Empty => {
                let made_schema = make_schema(client).await?;
                let (vector, made_extension) = vector_type(client).await?;
                (0, vector, vec![(MADE_SCHEMA, made_schema), (MADE_EXTENSION, made_extension)])
            }
        };
        for migration in MIGRATIONS.iter().skip(usize::try_from(done).unwrap_or(0)) {
            client.batch_execute(&migration.replace("VECTOR", &vector)).await?;
        }
        for (what, made) in made {
            let parameters: &[Parameter<'_>] = &[(&what, Type::TEXT), (&i64::from(made), Type::INT8)];
            client.execute_typed("INSERT INTO libellus.meta VALUES ($1, $2)", parameters).await?;
        }
        let parameters: &[Parameter<'_>] = &[(&VERSION, Type::INT8)];
        client.execute_typed("UPDATE libellus.meta SET value = $1 WHERE key = 'schema'", parameters).await?;
        Ok(())
    })
    .map_err(|failure| may_not_migrate(pool, failure))
}

/// Whether something was noted in `libellus.meta`.
pub(super) async fn is_noted(client: &Client, what: &str) -> Answer<bool> {
    let parameters: &[Parameter<'_>] = &[(&what, Type::TEXT)];
    let noted = client.query_typed_opt("SELECT value = 1 FROM libellus.meta WHERE key = $1", parameters).await?;
    noted.map_or(Ok(false), |row| row.try_get(0))
}

/// Makes the schema, and says whether it did: an administrator may have, for a role that may not.
async fn make_schema(client: &Client) -> Answer<bool> {
    let row = client.query_typed_one("SELECT to_regnamespace('libellus') IS NULL", &[]).await?;
    let is_missing = row.try_get(0)?;
    if is_missing {
        client.batch_execute("CREATE SCHEMA libellus").await?;
    }
    Ok(is_missing)
}

/// pgvector's type where it is installed, or can be; else an array. And whether pgvector was installed for it.
async fn vector_type(client: &Client) -> Answer<(String, bool)> {
    let installed = "SELECT pg_catalog.quote_ident(n.nspname) || '.vector' FROM pg_catalog.pg_extension e \
                     JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";
    if let Some(row) = client.query_typed_opt(installed, &[]).await? {
        return Ok((row.try_get(0)?, false));
    }
    // Whether this role may install it is known only by trying.
    client.batch_execute("SAVEPOINT before_vector").await?;
    if client.batch_execute("CREATE EXTENSION vector").await.is_err() {
        client.batch_execute("ROLLBACK TO SAVEPOINT before_vector").await?;
        return Ok(("real[]".to_owned(), false));
    }
    Ok((client.query_typed_one(installed, &[]).await?.try_get(0)?, true))
}

/// A right that is missing to make the tables has its own cure.
fn may_not_migrate(pool: &Pool, failure: Failure) -> Error {
    match named(&pool.address, "making the tables", failure) {
        Error::MissingRights { location, action, source, .. } => {
            let (role, database) = (pool.address.user(), pool.address.database());
            let grant = format!(
                "`GRANT CREATE ON DATABASE \"{database}\" TO \"{role}\"`, or `CREATE SCHEMA libellus AUTHORIZATION \"{role}\"`"
            );
            Error::MissingRights { location, action, grant, source }
        }
        error => error,
    }
}
