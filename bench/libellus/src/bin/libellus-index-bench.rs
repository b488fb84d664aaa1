//! The vector index in one process, for `bench/index`: builds it, then answers all queries for each line `go`.
//!
//! ```text
//! libellus-index-bench WORK ROWS [memory]
//! ```
//!
//! `WORK` holds `vectors.f32` and `queries.f32`, rows of 384 floats end to end; one row is one group. The vectors stay in a
//! file, or with `memory` in memory. Prints lines of JSON as `bench/index/engine.py` does.
#![forbid(unsafe_code)]

use libellus_index::{GroupSet, VectorIndex, VectorIndexFile};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Instant;

const DIM: usize = 384;
/// Groups that are asked for.
const K: usize = 10;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (work, rows, in_memory) = match &arguments[..] {
        [work, rows] => (Path::new(work), rows.parse()?, false),
        [work, rows, memory] if memory == "memory" => (Path::new(work), rows.parse()?, true),
        _ => return Err("wants a directory, a number of rows, and perhaps `memory`".into()),
    };
    let queries = read(&mut BufReader::new(File::open(work.join("queries.f32"))?), usize::MAX)?;
    let threads = std::thread::available_parallelism()?.get();
    let path = work.join(format!("libellus-{rows}.index"));
    // To replace a file of before would be waiting for the disk.
    let _ = fs::remove_file(&path);

    let (mut building, mut opening) = (0.0, 0.0);
    let index = if in_memory {
        let mut index = VectorIndex::with_capacity(DIM, rows);
        push_all(work, rows, &mut building, |group, vector| index.push(group, vector))?;
        timed(&mut building, || index.seal(threads))?;
        index
    } else {
        let mut file = VectorIndexFile::create(&path, DIM)?;
        push_all(work, rows, &mut building, |group, vector| file.push(group, vector))?;
        drop(timed(&mut building, || file.finish("bench", &[], threads))?);
        timed(&mut opening, || VectorIndex::open(&path, "bench"))?.0
    };
    println!(
        "{}",
        serde_json::json!({
            "engine": "libellus", "in_memory": in_memory, "build": building, "open": opening, "bytes": index.bytes(),
            "memory": resident_bytes()?,
        })
    );

    // One in a hundred, all over the place.
    let hundredth = GroupSet::from_fn(rows as u32, |group| group.wrapping_mul(2_654_435_761) % 100 == 0);
    for line in std::io::stdin().lines() {
        match line?.as_str() {
            "go" => println!("{}", answer(&queries, |query| index.search(query, K))?),
            "filtered" => println!("{}", answer(&queries, |query| index.search_within(Some(&hundredth), query, K, 1))?),
            _ => break,
        }
    }
    Ok(())
}

/// Hands over all vectors; what reading their file takes is not the index's.
fn push_all(
    work: &Path,
    rows: usize,
    seconds: &mut f64,
    mut push: impl FnMut(u32, &[f32]) -> Result<(), libellus_index::Error>,
) -> Outcome<()> {
    let mut vectors = BufReader::with_capacity(1 << 20, File::open(work.join("vectors.f32"))?);
    let mut group = 0;
    while (group as usize) < rows {
        let some = read(&mut vectors, (rows - group as usize).min(4096))?;
        if some.is_empty() {
            return Err("too few vectors".into());
        }
        timed(seconds, || {
            for vector in some.chunks_exact(DIM) {
                push(group, vector)?;
                group += 1;
            }
            Ok::<_, libellus_index::Error>(())
        })?;
    }
    Ok(())
}

/// Does something, and adds the time that it took.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *seconds += began.elapsed().as_secs_f64();
    done
}

fn answer(
    queries: &[f32],
    search: impl Fn(&[f32]) -> Result<Vec<libellus_index::GroupHit>, libellus_index::Error>,
) -> Outcome<serde_json::Value> {
    let (mut seconds, mut found) = (Vec::new(), Vec::new());
    for query in queries.chunks_exact(DIM) {
        let began = Instant::now();
        let hits = search(query)?;
        seconds.push(began.elapsed().as_secs_f64());
        found.push(hits.iter().map(|hit| hit.group).collect::<Vec<u32>>());
    }
    Ok(serde_json::json!({"seconds": seconds, "found": found}))
}

/// Up to `rows` rows of a file.
fn read(file: &mut impl Read, rows: usize) -> Outcome<Vec<f32>> {
    let mut bytes = Vec::new();
    file.take(rows.saturating_mul(DIM * size_of::<f32>()) as u64).read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Memory of the process's own: pages of files that it has in use are left out.
fn resident_bytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).ok_or("no RssAnon")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1024)
}
