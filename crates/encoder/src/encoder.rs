//! The encoder: a model and its tokenizer, ready to turn text into vectors.

use crate::directory::Directory;
use crate::forward::{Batch, Workspace, forward, forward_unscaled};
use crate::model::Model;
use crate::{Bytes, Error, Fingerprint, MemoryUse, Pooling, TokenCount, Tokenizer, pack};
use libellus_kernels::{Crew, Isa, Team};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens that go through the network together: enough to make good use of the weights that are read,
/// few enough for the activations to stay in the second-level cache. [`Encoder::with_batch_tokens`] makes them others.
pub(crate) const BATCH_TOKENS: usize = 256;

/// What a model is.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Its name, e.g. `all-MiniLM-L6-v2`.
    pub name: String,
    /// What its vectors may be compared with.
    pub fingerprint: Fingerprint,
    /// Numbers in a vector, `H`.
    pub dim: usize,
    /// Whether vectors have the length 1; else only their directions can be compared.
    pub is_normalized: bool,
    /// The longest text it reads, in tokens, special tokens included.
    pub max_tokens: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads in a layer.
    pub heads: usize,
    /// Bytes of weights.
    pub size_bytes: usize,
}

/// A text's vector.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// `dim` floats; of length 1 when the model normalises.
    pub vector: Vec<f32>,
    /// The text's tokens, and how many were read.
    pub tokens: TokenCount,
}

/// A text as the model reads it: made by an encoder, for that encoder.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Every id is one of the vocabulary's.
    ids: Vec<u32>,
    count: TokenCount,
}

impl Tokens {
    /// The ids, special tokens included, cut to what the model reads.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many there were, and how many are read.
    pub fn count(&self) -> TokenCount {
        self.count
    }
}

/// Turns text into vectors. Shared freely between threads.
pub struct Encoder {
    model: Model,
    tokenizer: Tokenizer,
    info: ModelInfo,
    isa: Isa,
    /// Tokens in a micro-batch, at most.
    batch_tokens: usize,
    /// Splits single texts.
    team: Team,
    /// Shares out many texts: the team of the last call, which is the next one's if it is as large.
    bulk_team: Mutex<Option<Arc<Team>>>,
    /// Memory of passes that are over, for the next ones.
    workspaces: Mutex<Vec<Workspace>>,
}

impl Encoder {
    /// The model inside the executable: all-MiniLM-L6-v2, int8; with the feature `lite`, word embeddings of 4 bits.
    /// Nothing is copied; this takes microseconds.
    pub fn builtin() -> Self {
        let opened = pack::read(Path::new("the built-in model"), &Bytes::from_static(crate::builtin::PACK));
        Self::from_pack(opened.expect("the built-in pack is opened by the tests of this crate"))
    }

    /// Opens a pack (a file, whose checksum is checked) or a sentence-transformers model (a directory).
    ///
    /// # Errors
    /// If a file is missing, damaged, or of a kind that this encoder does not run; the error names it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.into(), source };
        if fs::metadata(path).map_err(read)?.is_dir() {
            let directory = Directory::open(path)?;
            // The directory's own name, also when it was given as `.` or with a slash at the end.
            let full = path.canonicalize().map_err(read)?;
            let name = full.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
            let fingerprint = directory.fingerprint();
            return Ok(Self::new(name, fingerprint, directory.dense.to_model(), directory.tokenizer));
        }
        let bytes = pack::load(path)?;
        pack::verify(path, &bytes)?;
        let opened = pack::read(path, &bytes)?;
        pack::check_values(path, &opened.model)?;
        Ok(Self::from_pack(opened))
    }

    fn from_pack(opened: pack::Opened) -> Self {
        Self::new(opened.name, opened.fingerprint, opened.model, opened.tokenizer)
    }

    fn new(name: String, fingerprint: Fingerprint, model: Model, tokenizer: Tokenizer) -> Self {
        let info = ModelInfo {
            name,
            fingerprint,
            dim: model.config.hidden,
            is_normalized: model.config.normalize,
            max_tokens: model.config.max_tokens,
            layers: model.config.layers,
            heads: model.config.heads,
            size_bytes: model.size_bytes(),
        };
        let (team, bulk_team, workspaces) = (Team::new(1), Mutex::default(), Mutex::default());
        Self { model, tokenizer, info, isa: Isa::best(), batch_tokens: BATCH_TOKENS, team, bulk_team, workspaces }
    }

    /// The same encoder with `threads` threads to split a single text between. They are started here, and look out
    /// for work for a moment after each text, so this is for a service that waits for the next one.
    pub fn with_team(self, threads: usize) -> Self {
        Self { team: Team::new(threads), ..self }
    }

    /// Threads of the [team](Encoder::with_team), 1 without one.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// What the model is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// What its vectors are made of its tokens' with.
    pub fn pooling(&self) -> Pooling {
        self.model.config.pooling
    }

    /// How much memory encoding takes.
    pub fn memory_use(&self) -> MemoryUse {
        MemoryUse::of(&self.model.config, self.info.size_bytes)
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The instruction set that the kernels use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The same encoder on another instruction set, for benchmarks and tests; vectors stay the same.
    pub fn with_isa(self, isa: Isa) -> Self {
        Self { isa, ..self }
    }

    /// The same encoder with micro-batches of at most `tokens` tokens (or one text), for benchmarks and tests; vectors
    /// stay the same. [`Encoder::memory_use`] holds for the usual size and those below.
    pub fn with_batch_tokens(self, tokens: usize) -> Self {
        Self { batch_tokens: tokens, ..self }
    }

    /// The vector of one text, on the calling thread and those of the [team](Encoder::with_team) that are free.
    pub fn encode(&self, text: &str) -> Encoded {
        let Tokens { ids, count } = self.tokenize(text);
        let batch = Batch { token_ids: &ids, lengths: &[ids.len()] };
        let mut workspace = self.workspace();
        let vector = forward(&self.model, self.isa, &self.team.crew(), batch, &mut workspace);
        self.keep(workspace);
        Encoded { vector, tokens: count }
    }

    /// The vectors of many texts, in their order, on `threads` threads (at least one).
    ///
    /// Each is bit for bit what [`Encoder::encode`] gives for that text alone. The threads take small
    /// batches of texts of like length, so none waits for another.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S], threads: usize) -> Vec<Encoded> {
        self.encode_tokens(texts.iter().map(|text| self.tokenize(text.as_ref())).collect(), threads)
    }

    /// The same for texts that are tokens already.
    pub fn encode_tokens(&self, texts: Vec<Tokens>, threads: usize) -> Vec<Encoded> {
        let vectors = self.vectors(&texts, threads, forward);
        vectors.into_iter().zip(texts).map(|(vector, text)| Encoded { vector, tokens: text.count }).collect()
    }

    /// The same, without the last step of a model that normalises: vectors of any length.
    pub fn encode_tokens_unscaled(&self, texts: Vec<Tokens>, threads: usize) -> Vec<Encoded> {
        let vectors = self.vectors(&texts, threads, forward_unscaled);
        vectors.into_iter().zip(texts).map(|(vector, text)| Encoded { vector, tokens: text.count }).collect()
    }

    /// A text's tokens.
    pub fn tokenize(&self, text: &str) -> Tokens {
        let mut ids = Vec::new();
        let count = self.tokenizer.encode(text, self.info.max_tokens, &mut ids);
        Tokens { ids, count }
    }

    /// The tokens with these ids, with special tokens around them unless they are there; the first id that is not the
    /// vocabulary's if there is one.
    pub fn tokens_of(&self, ids: &[u32]) -> Result<Tokens, u32> {
        let mut framed = Vec::new();
        let count = self.tokenizer.frame(ids, self.info.max_tokens, &mut framed)?;
        Ok(Tokens { ids: framed, count })
    }

    fn vectors(&self, texts: &[Tokens], threads: usize, forward: Forward) -> Vec<Vec<f32>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(texts[i].ids.len()));
        let batches = cut_batches(&order, self.batch_tokens, |i| texts[i].ids.len());

        let vectors = Mutex::new(vec![Vec::new(); texts.len()]);
        let team = self.bulk_team(threads);
        team.crew().run(batches.len(), |i| {
            let mut workspace = self.workspace();
            let done = self.forward_batch(batches[i], texts, &mut workspace, forward);
            self.keep(workspace);
            let mut vectors = vectors.lock().unwrap_or_else(PoisonError::into_inner);
            batches[i].iter().zip(done).for_each(|(&i, vector)| vectors[i] = vector);
        });
        vectors.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn bulk_team(&self, threads: usize) -> Arc<Team> {
        let mut team = self.bulk_team.lock().unwrap_or_else(PoisonError::into_inner);
        match &*team {
            Some(team) if team.threads() == threads.max(1) => Arc::clone(team),
            _ => Arc::clone(team.insert(Arc::new(Team::new(threads)))),
        }
    }

    fn workspace(&self) -> Workspace {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn keep(&self, workspace: Workspace) {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }

    /// The vectors of the texts `batch` names.
    fn forward_batch(
        &self,
        batch: &[usize],
        texts: &[Tokens],
        workspace: &mut Workspace,
        forward: Forward,
    ) -> Vec<Vec<f32>> {
        let texts = || batch.iter().map(|&i| &texts[i].ids);
        let token_ids: Vec<u32> = texts().flatten().copied().collect();
        let lengths: Vec<usize> = texts().map(Vec::len).collect();
        let batch = Batch { token_ids: &token_ids, lengths: &lengths };
        let vectors = forward(&self.model, self.isa, &Crew::ALONE, batch, workspace);
        vectors.chunks_exact(self.info.dim).map(<[f32]>::to_vec).collect()
    }
}

/// A forward pass, with its last step or without.
type Forward = fn(&Model, Isa, &Crew<'_>, Batch<'_>, &mut Workspace) -> Vec<f32>;

/// Cuts a list of texts into runs of at most `most` tokens (or one text, if that is longer).
fn cut_batches(order: &[usize], most: usize, length: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let mut batches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, &i) in order.iter().enumerate() {
        if at > start && tokens + length(i) > most {
            batches.push(&order[start..at]);
            (start, tokens) = (at, 0);
        }
        tokens += length(i);
    }
    if start < order.len() {
        batches.push(&order[start..]);
    }
    batches
}
