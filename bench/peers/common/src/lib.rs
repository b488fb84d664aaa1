//! The workloads, the same as in `runner.py` and in `libellus-bench`: tokenizing is inside the timed section.
//!
//! ```text
//! peer-NAME --mode w1|w2|cold|tokenize --model DIR --data DIR [--weights FILE] [--threads N] [--batch N]
//!           [--limit N] [--reps N] [--label NAME] [--out X.f32]
//! ```

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

/// Whatever went wrong, for a program that can only stop.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The model reads so many tokens of a text.
const WINDOW: usize = 256;

/// What was asked for.
pub struct Arguments {
    pub mode: String,
    /// The directory with `tokenizer.json` and `config.json`.
    pub model: PathBuf,
    /// The directory with `w1.jsonl` and `w2.jsonl`.
    pub data: PathBuf,
    /// What the engine itself reads; `model.safetensors` of the model unless given.
    pub weights: PathBuf,
    /// Printed only: engines read it from their environment variables.
    pub threads: usize,
    pub batch: usize,
    pub limit: usize,
    pub reps: usize,
    pub label: String,
    pub out: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line.
    pub fn parse() -> Outcome<Self> {
        let mut parsed = Self {
            mode: String::new(),
            model: PathBuf::new(),
            data: PathBuf::new(),
            weights: PathBuf::new(),
            threads: 1,
            batch: 32,
            limit: usize::MAX,
            reps: 10,
            label: String::new(),
            out: None,
        };
        let words: Vec<String> = std::env::args().skip(1).collect();
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(format!("`{}` wants a value", pair[0]).into()) };
            match name.as_str() {
                "--mode" => parsed.mode.clone_from(value),
                "--model" => parsed.model = value.into(),
                "--data" => parsed.data = value.into(),
                "--weights" => parsed.weights = value.into(),
                "--threads" => parsed.threads = value.parse()?,
                "--batch" => parsed.batch = value.parse()?,
                "--limit" => parsed.limit = value.parse()?,
                "--reps" => parsed.reps = value.parse()?,
                "--label" => parsed.label.clone_from(value),
                "--out" => parsed.out = Some(value.into()),
                _ => return Err(format!("`{name}` is not known").into()),
            }
        }
        if parsed.weights.as_os_str().is_empty() {
            parsed.weights = parsed.model.join("model.safetensors");
        }
        Ok(parsed)
    }
}

/// A padded batch, both matrices `[rows, columns]`.
pub struct Batch {
    pub rows: usize,
    pub columns: usize,
    pub token_ids: Vec<u32>,
    pub attention_mask: Vec<u32>,
}

/// Makes batches of texts.
pub struct BatchTokenizer(Tokenizer);

impl BatchTokenizer {
    /// Opens the model's tokenizer. Its own truncation (128) and fixed padding (128) are overridden: with them
    /// every short query would be computed as 128 tokens.
    pub fn open(model: &Path) -> Outcome<Self> {
        let mut tokenizer = Tokenizer::from_file(model.join("tokenizer.json")).map_err(|error| error.to_string())?;
        let truncation = TruncationParams { max_length: WINDOW, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| error.to_string())?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        Ok(Self(tokenizer))
    }

    /// Tokenizes texts and pads them to the longest.
    pub fn encode(&self, texts: &[&str]) -> Outcome<Batch> {
        let encodings = self.0.encode_batch(texts.to_vec(), true).map_err(|error| error.to_string())?;
        let columns = encodings.first().map_or(0, |encoding| encoding.get_ids().len());
        Ok(Batch {
            rows: encodings.len(),
            columns,
            token_ids: encodings.iter().flat_map(|encoding| encoding.get_ids()).copied().collect(),
            attention_mask: encodings.iter().flat_map(|encoding| encoding.get_attention_mask()).copied().collect(),
        })
    }
}

/// Runs the workload that was asked for with `embed`, which gives a unit vector for each text.
pub fn run(arguments: &Arguments, embed: impl FnMut(&[&str]) -> Outcome<Vec<Vec<f32>>>) -> Outcome<()> {
    match arguments.mode.as_str() {
        "w1" => queries(arguments, embed),
        "w2" => descriptions(arguments, embed),
        "cold" => cold(embed),
        "tokenize" => tokenize(arguments),
        other => Err(format!("`{other}` is no workload").into()),
    }
}

/// One query after the other.
fn queries(arguments: &Arguments, mut embed: impl FnMut(&[&str]) -> Outcome<Vec<Vec<f32>>>) -> Outcome<()> {
    let texts = read_texts(&arguments.data, "w1")?;
    let mut times_ms = Vec::new();
    for round in 0..=arguments.reps {
        for text in &texts {
            let start = Instant::now();
            black_box(embed(&[text])?);
            if round > 0 {
                times_ms.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    times_ms.sort_by(f64::total_cmp);
    let at = |part: usize| times_ms[(times_ms.len() * part / 100).min(times_ms.len() - 1)];
    println!(
        r#"{{"engine":"{}","mode":"w1","threads":{},"n":{},"p50_ms":{:.4},"p99_ms":{:.4},"min_ms":{:.4},"rss_mb":{:.1}}}"#,
        arguments.label,
        arguments.threads,
        times_ms.len(),
        at(50),
        at(99),
        times_ms[0],
        peak_memory_mb()?
    );
    Ok(())
}

/// Many texts, in batches of similar length.
fn descriptions(arguments: &Arguments, mut embed: impl FnMut(&[&str]) -> Outcome<Vec<Vec<f32>>>) -> Outcome<()> {
    let mut texts = read_texts(&arguments.data, "w2")?;
    texts.truncate(arguments.limit);
    let first: Vec<&str> = texts.iter().take(arguments.batch).map(String::as_str).collect();
    black_box(embed(&first)?);
    let start = Instant::now();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(texts[i].len()));
    let mut vectors = vec![Vec::new(); texts.len()];
    for chunk in order.chunks(arguments.batch) {
        let batch: Vec<&str> = chunk.iter().map(|&i| texts[i].as_str()).collect();
        for (&i, vector) in chunk.iter().zip(embed(&batch)?) {
            vectors[i] = vector;
        }
    }
    let secs = start.elapsed().as_secs_f64();
    println!(
        r#"{{"engine":"{}","mode":"w2","threads":{},"batch":{},"docs":{},"secs":{secs:.3},"rss_mb":{:.1}}}"#,
        arguments.label,
        arguments.threads,
        arguments.batch,
        texts.len(),
        peak_memory_mb()?
    );
    if let Some(path) = &arguments.out {
        fs::write(path, vectors.iter().flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}

/// The first vector of a process.
fn cold(mut embed: impl FnMut(&[&str]) -> Outcome<Vec<Vec<f32>>>) -> Outcome<()> {
    let vector = &embed(&["a lonely lighthouse keeper"])?[0];
    println!("{:?} {:?} {:.1}", vector[0], vector[vector.len() - 1], peak_memory_mb()?);
    Ok(())
}

/// The tokenizer alone, on one thread.
fn tokenize(arguments: &Arguments) -> Outcome<()> {
    let BatchTokenizer(mut tokenizer) = BatchTokenizer::open(&arguments.model)?;
    tokenizer.with_padding(None);
    let texts = read_texts(&arguments.data, "w2")?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut best = f64::MAX;
    let mut tokens = 0;
    for _ in 0..arguments.reps {
        let start = Instant::now();
        tokens = 0;
        for text in &texts {
            tokens += tokenizer.encode_fast(text.as_str(), true).map_err(|error| error.to_string())?.get_ids().len();
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

fn read_texts(data: &Path, name: &str) -> Outcome<Vec<String>> {
    let path = data.join(format!("{name}.jsonl"));
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
