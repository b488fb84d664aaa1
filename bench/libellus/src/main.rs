//! One workload in one process; prints one line of JSON, as the peers' runners do.
//!
//! ```text
//! libellus-bench --mode w1|w2|cold|tokenize --data DIR [--model DIR|PACK] [--threads N] [--limit N] [--reps N] [--out X.f32]
//! ```
//!
//! `DIR` holds `w1.jsonl` and `w2.jsonl`, lines of `{"text": …}`. Tokenizing is inside the timed section.
#![forbid(unsafe_code)]

use libellus_encoder::Encoder;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// What was asked for.
struct Arguments {
    mode: String,
    data: String,
    model: Option<String>,
    threads: usize,
    limit: usize,
    reps: usize,
    out: Option<String>,
    label: String,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn arguments() -> Outcome<Arguments> {
    let mut parsed = Arguments {
        mode: "w1".to_owned(),
        data: ".".to_owned(),
        model: None,
        threads: 1,
        limit: usize::MAX,
        reps: 10,
        out: None,
        label: "libellus".to_owned(),
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("`{}` wants a value", pair[0]).into()) };
        match name.as_str() {
            "--mode" => parsed.mode.clone_from(value),
            "--data" => parsed.data.clone_from(value),
            "--model" => parsed.model = Some(value.clone()),
            "--threads" => parsed.threads = value.parse()?,
            "--limit" => parsed.limit = value.parse()?,
            "--reps" => parsed.reps = value.parse()?,
            "--out" => parsed.out = Some(value.clone()),
            "--label" => parsed.label.clone_from(value),
            _ => return Err(format!("`{name}` is not known").into()),
        }
    }
    Ok(parsed)
}

fn main() -> Outcome<()> {
    let arguments = arguments()?;
    let encoder = match &arguments.model {
        Some(path) => Encoder::open(Path::new(path))?,
        None => Encoder::builtin(),
    };
    match arguments.mode.as_str() {
        "w1" => queries(&encoder.with_team(arguments.threads), &arguments),
        "w2" => descriptions(&encoder, &arguments),
        "tokenize" => tokenize(&encoder, &arguments),
        "cold" => cold(&encoder),
        other => Err(format!("`{other}` is no workload").into()),
    }
}

/// One query after the other.
fn queries(encoder: &Encoder, arguments: &Arguments) -> Outcome<()> {
    let texts = read_texts(&arguments.data, "w1")?;
    let mut times_ms = Vec::new();
    for round in 0..=arguments.reps {
        for text in &texts {
            let start = Instant::now();
            black_box(encoder.encode(text));
            if round > 0 {
                times_ms.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    times_ms.sort_by(f64::total_cmp);
    let at = |part: usize| times_ms[(times_ms.len() * part / 100).min(times_ms.len() - 1)];
    let (label, threads, n) = (&arguments.label, arguments.threads, times_ms.len());
    println!(
        r#"{{"engine":"{label}","mode":"w1","threads":{threads},"n":{n},"p50_ms":{:.4},"p99_ms":{:.4},"min_ms":{:.4},"rss_mb":{:.1}}}"#,
        at(50),
        at(99),
        times_ms[0],
        peak_memory_mb()?
    );
    Ok(())
}

/// Many texts at once.
fn descriptions(encoder: &Encoder, arguments: &Arguments) -> Outcome<()> {
    let mut texts = read_texts(&arguments.data, "w2")?;
    texts.truncate(arguments.limit);
    black_box(encoder.encode_batch(&texts[..8.min(texts.len())], arguments.threads));
    let start = Instant::now();
    let encoded = encoder.encode_batch(&texts, arguments.threads);
    let secs = start.elapsed().as_secs_f64();
    let tokens: usize = encoded.iter().map(|text| text.tokens.used).sum();
    let (label, threads, docs) = (&arguments.label, arguments.threads, texts.len());
    println!(
        r#"{{"engine":"{label}","mode":"w2","threads":{threads},"docs":{docs},"tokens":{tokens},"secs":{secs:.3},"docs_s":{:.2},"tok_s":{:.1},"rss_mb":{:.1}}}"#,
        docs as f64 / secs,
        tokens as f64 / secs,
        peak_memory_mb()?
    );
    if let Some(path) = &arguments.out {
        let bytes: Vec<u8> = encoded.iter().flat_map(|text| &text.vector).flat_map(|x| x.to_le_bytes()).collect();
        fs::File::create(path)?.write_all(&bytes)?;
    }
    Ok(())
}

/// The tokenizer alone, on one thread.
fn tokenize(encoder: &Encoder, arguments: &Arguments) -> Outcome<()> {
    let texts = read_texts(&arguments.data, "w2")?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut best = f64::MAX;
    let (mut token_ids, mut tokens) = (Vec::new(), 0);
    for _ in 0..arguments.reps {
        let start = Instant::now();
        tokens = 0;
        for text in &texts {
            token_ids.clear();
            tokens += encoder.tokenizer().encode(text, usize::MAX, &mut token_ids).used;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (mb_s, tok_s) = (bytes as f64 / best / 1e6, tokens as f64 / best);
    println!(
        r#"{{"engine":"{}","mode":"tokenize","tokens":{tokens},"mb_s":{mb_s:.2},"tok_s":{tok_s:.0}}}"#,
        arguments.label
    );
    Ok(())
}

/// The first vector of a process.
fn cold(encoder: &Encoder) -> Outcome<()> {
    let vector = encoder.encode("a lonely lighthouse keeper").vector;
    println!("{:?} {:?} {:.1}", vector[0], vector[vector.len() - 1], peak_memory_mb()?);
    Ok(())
}

fn read_texts(data: &str, name: &str) -> Outcome<Vec<String>> {
    let path = Path::new(data).join(format!("{name}.jsonl"));
    let content = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = |line: &str| -> Outcome<String> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        Ok(value["text"].as_str().ok_or("a line without `text`")?.to_owned())
    };
    content.lines().map(text).collect()
}

/// The most memory that was resident at once.
fn peak_memory_mb() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
