//! Opens a pack in place: the header is parsed, tensors are only pointed at.

use super::{Header, MAGIC, PREFIX, SUM, VERSION, names, sum};
use crate::bytes::ALIGNMENT;
use crate::model::{Layer, LayerNorm, Linear, Model, WordEmbeddings};
use crate::tensor::Tensor;
use crate::{Bytes, Error, Fingerprint, Precision, Tokenizer};
use bytemuck::Pod;
use libellus_kernels::{GROUP, GROUP_BYTES, packed_i8_len};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// A pack taken apart.
pub(crate) struct Opened {
    pub name: String,
    pub fingerprint: Fingerprint,
    pub model: Model,
    pub tokenizer: Tokenizer,
}

/// Reads a pack from disk. A file that is none is refused by its first bytes, however long it is.
pub(crate) fn load(path: &Path) -> Result<Bytes, Error> {
    let read = |source| Error::Read { path: path.into(), source };
    let mut file = File::open(path).map_err(read)?;
    let mut start = Vec::with_capacity(PREFIX);
    file.by_ref().take(PREFIX as u64).read_to_end(&mut start).map_err(read)?;
    check_start(path, &start)?;
    let len = file.metadata().map_err(read)?.len();
    file.rewind().map_err(read)?;
    Bytes::read_from(&mut file.take(len), len as usize).map_err(read)
}

/// Compares a pack with its checksum; `path` is for the message.
///
/// # Errors
/// If it does not begin as a pack does, ends early, or has another sum.
pub fn verify(path: &Path, pack: &[u8]) -> Result<(), Error> {
    check_prefix(path, pack)?;
    if sum(pack) == pack[SUM] {
        return Ok(());
    }
    Err(fault(path, "its checksum does not match, so it was damaged or cut short; get it again".into()))
}

/// Points at the parts of a pack. Every length is compared with the shape, so that the forward pass cannot
/// leave a tensor; the checksum is [`verify`]'s.
pub(crate) fn read(path: &Path, pack: &Bytes) -> Result<Opened, Error> {
    let header_end = check_prefix(path, pack)?;
    let header: Header = serde_json::from_slice(&pack[PREFIX..header_end])
        .map_err(|source| Error::PackHeader { path: path.into(), source })?;
    let known = [Precision::Int8, Precision::Int8Words4];
    let Some(precision) = known.into_iter().find(|known| known.as_str() == header.precision) else {
        let names = known.map(|known| format!("`{known}`")).join(" and ");
        return Err(fault(path, format!("its precision is `{}`; only {names} are known", header.precision)));
    };
    if let Some(reason) = header.config.fault() {
        return Err(fault(path, format!("{reason}; no model has that shape")));
    }
    let tensors =
        Tensors { path, pack, places: header.tensors.iter().map(|t| (t.name.as_str(), (t.offset, t.len))).collect() };
    let config = &header.config;
    let (h, f) = (config.hidden, config.feed_forward);
    let tokenizer = Tokenizer::from_packed(tensors.bytes(names::TOKENIZER)?)?;
    if tokenizer.vocabulary_size() > config.vocabulary {
        return Err(fault(path, "its tokenizer knows more tokens than the model".into()));
    }
    let layer = |i: usize| -> Result<Layer, Error> {
        let at = |part| names::layer(i, part);
        Ok(Layer {
            qkv: tensors.linear(&at(names::QKV), h, 3 * h)?,
            attention_output: tensors.linear(&at(names::ATTENTION_OUTPUT), h, h)?,
            attention_norm: tensors.norm(&at(names::ATTENTION_NORM), h)?,
            feed_forward: tensors.linear(&at(names::FEED_FORWARD), h, f)?,
            output: tensors.linear(&at(names::OUTPUT), f, h)?,
            output_norm: tensors.norm(&at(names::OUTPUT_NORM), h)?,
        })
    };
    let model = Model {
        words: tensors.words(precision, config.vocabulary, h)?,
        positions: tensors.matrix(names::POSITIONS, config.max_tokens, h)?,
        embedding_norm: tensors.norm(names::EMBEDDING_NORM, h)?,
        layers: (0..config.layers).map(layer).collect::<Result<_, _>>()?,
        config: header.config,
    };
    let fingerprint = Fingerprint { space: header.space, precision };
    Ok(Opened { name: header.name, fingerprint, model, tokenizer })
}

/// Checks that no float is NaN, infinite, or so large that the forward pass would make it so. This reads a few per cent
/// of the pack; [`read`] leaves it to those who open one from disk.
pub(crate) fn check_values(path: &Path, model: &Model) -> Result<(), Error> {
    const LARGEST: f32 = 1e6;
    let is_usable = |x: &f32| x.abs() <= LARGEST;
    match model.floats().into_iter().flatten().all(is_usable) {
        true => Ok(()),
        false => Err(fault(path, format!("it holds a value that is not finite, or beyond {LARGEST:e}; get it again"))),
    }
}

/// Checks magic, version and lengths; returns where the header ends.
fn check_prefix(path: &Path, pack: &[u8]) -> Result<usize, Error> {
    check_start(path, pack)?;
    let end = PREFIX.saturating_add(word(pack, 12) as usize);
    if end > pack.len() {
        return Err(fault(path, "it ends inside its header; get it again".into()));
    }
    Ok(end)
}

/// The little-endian number at `at`.
fn word(pack: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([pack[at], pack[at + 1], pack[at + 2], pack[at + 3]])
}

/// Checks magic and version.
fn check_start(path: &Path, pack: &[u8]) -> Result<(), Error> {
    if pack.len() < PREFIX || &pack[..8] != MAGIC {
        return Err(fault(path, "it does not begin as a pack does; give a `.pack` file or a model's directory".into()));
    }
    let version = word(pack, 8);
    if version != VERSION {
        let reason = format!("its format is version {version}, and this libellus reads version {VERSION}");
        return Err(fault(path, format!("{reason}; make it again with `libellus model pack`")));
    }
    Ok(())
}

fn fault(path: &Path, reason: String) -> Error {
    Error::Pack { path: path.into(), reason }
}

/// The tensors of a pack, by name.
struct Tensors<'a> {
    path: &'a Path,
    pack: &'a Bytes,
    places: HashMap<&'a str, (usize, usize)>,
}

impl Tensors<'_> {
    fn bytes(&self, name: &str) -> Result<Bytes, Error> {
        let place = self.places.get(name).copied().filter(|(offset, _)| offset.is_multiple_of(ALIGNMENT));
        let range = place.and_then(|(offset, len)| Some(offset..offset.checked_add(len)?));
        let bytes = range.and_then(|range| self.pack.slice(range));
        bytes.ok_or_else(|| fault(self.path, format!("tensor `{name}` is missing, misplaced or outside; get it again")))
    }

    fn values<T: Pod>(&self, name: &str, count: usize) -> Result<Tensor<T>, Error> {
        let tensor = Tensor::new(self.bytes(name)?).filter(|values: &Tensor<T>| values.len() == count);
        tensor.ok_or_else(|| fault(self.path, format!("tensor `{name}` does not hold {count} values; get it again")))
    }

    fn matrix<T: Pod>(&self, name: &str, rows: usize, width: usize) -> Result<Tensor<T>, Error> {
        let too_large = || fault(self.path, format!("tensor `{name}` would be {rows} rows of {width}; get it again"));
        self.values(name, rows.checked_mul(width).ok_or_else(too_large)?)
    }

    fn words(&self, precision: Precision, vocabulary: usize, h: usize) -> Result<WordEmbeddings, Error> {
        let at = |part| format!("{}.{part}", names::WORDS);
        let scales = self.values(&at("scales"), vocabulary)?;
        if precision != Precision::Int8Words4 {
            return Ok(WordEmbeddings::I8 { rows: self.matrix(&at("rows"), vocabulary, h)?, scales });
        }
        let groups = h.div_ceil(GROUP);
        Ok(WordEmbeddings::I4 {
            codes: self.matrix(&at("codes"), vocabulary, groups * GROUP_BYTES)?,
            multipliers: self.matrix(&at("multipliers"), vocabulary, groups)?,
            scales,
        })
    }

    fn norm(&self, name: &str, width: usize) -> Result<LayerNorm, Error> {
        Ok(LayerNorm {
            gamma: self.values(&format!("{name}.gamma"), width)?,
            beta: self.values(&format!("{name}.beta"), width)?,
        })
    }

    fn linear(&self, name: &str, k: usize, n: usize) -> Result<Linear, Error> {
        Ok(Linear::I8 {
            packed: self.values(&format!("{name}.packed"), packed_i8_len(k, n))?,
            scales: self.values(&format!("{name}.scales"), n)?,
            column_sums: self.values(&format!("{name}.column_sums"), n)?,
            bias: self.values(&format!("{name}.bias"), n)?,
            multiplier: self.values(&format!("{name}.multiplier"), k)?,
        })
    }
}
