//! Texts to vectors for other programs, with the model that questions are answered with.

use crate::snapshot::normalize;
use crate::{Error, Library};
use libellus_encoder::{Encoded, Encoder, Pooling, Tokens};
use std::sync::Arc;

/// A text to embed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// The text itself.
    Text(String),
    /// The ids of its tokens in the model's own vocabulary, with or without the special tokens around them.
    TokenIds(Vec<u32>),
}

/// What becomes of a text that is longer than the model reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlong {
    /// Its end is left out, as sentence-transformers does.
    #[default]
    CutEnd,
    /// Its beginning is left out.
    CutStart,
    /// It is an error.
    Refuse,
}

/// A token, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its text there; pieces inside a word begin with `##`.
    pub text: String,
    /// Whether it stands around the text rather than in it.
    pub is_special: bool,
}

/// A model that embeds texts. It is the same from the first text of a request to its last.
#[derive(Clone)]
pub struct Embedder {
    encoder: Arc<Encoder>,
    threads: usize,
}

impl Library {
    /// The model that answered last, on `threads` threads. The catalogue is not asked, so texts are embedded while a
    /// database is away.
    pub fn embedder(&self, threads: usize) -> Embedder {
        Embedder { encoder: self.answering(), threads }
    }
}

impl Embedder {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.encoder.info().name
    }

    /// Numbers in a vector.
    pub fn dim(&self) -> usize {
        self.encoder.info().dim
    }

    /// The longest text that is read, in tokens, special tokens included.
    pub fn max_tokens(&self) -> usize {
        self.encoder.info().max_tokens
    }

    /// What a vector is made of its tokens' with: `mean`, `cls` or `max`.
    pub fn pooling(&self) -> &'static str {
        match self.encoder.pooling() {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
            Pooling::Max => "max",
        }
    }

    /// Threads that a request is shared out to.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// What its vectors may be compared with.
    pub fn fingerprint(&self) -> String {
        self.encoder.info().fingerprint.to_string()
    }

    /// The vectors of `inputs`, in their order, each as if it were alone. They have length 1, unless `is_unscaled`: then
    /// they come as pooled. `first` is the number of the first of them in its request, for messages.
    ///
    /// # Errors
    /// If an input is empty, has an id that is no token of the model's, or is too long and that is to be refused.
    pub fn embed(
        &self,
        inputs: &[EmbeddingInput],
        first: usize,
        overlong: Overlong,
        is_unscaled: bool,
    ) -> Result<Vec<Encoded>, Error> {
        let numbered = inputs.iter().zip(first..);
        let tokens: Result<Vec<Tokens>, Error> =
            numbered.map(|(input, number)| self.tokens(input, number, overlong)).collect();
        if is_unscaled {
            return Ok(self.encoder.encode_tokens_unscaled(tokens?, self.threads));
        }
        let mut encoded = self.encoder.encode_tokens(tokens?, self.threads);
        if !self.encoder.info().is_normalized {
            encoded.iter_mut().for_each(|encoded| normalize(&mut encoded.vector));
        }
        Ok(encoded)
    }

    /// The tokens of a text, with special ones around them or without, however many there are.
    pub fn tokenize(&self, text: &str, with_special: bool) -> Vec<Token> {
        let tokenizer = self.encoder.tokenizer();
        let mut ids = Vec::new();
        tokenizer.encode(text, usize::MAX, &mut ids);
        let (before, after) = tokenizer.specials();
        let within = before..ids.len().saturating_sub(after);
        let tokens = ids.iter().enumerate().map(|(place, &id)| Token {
            id,
            text: tokenizer.token(id).unwrap_or_default().to_owned(),
            is_special: !within.contains(&place),
        });
        tokens.filter(|token| with_special || !token.is_special).collect()
    }

    fn tokens(&self, input: &EmbeddingInput, number: usize, overlong: Overlong) -> Result<Tokens, Error> {
        let tokens = match input {
            EmbeddingInput::Text(text) if text.is_empty() => return Err(Error::EmptyInput { input: number }),
            EmbeddingInput::TokenIds(ids) if ids.is_empty() => return Err(Error::EmptyInput { input: number }),
            EmbeddingInput::Text(text) => self.encoder.tokenize(text),
            EmbeddingInput::TokenIds(ids) => self.framed(ids, number)?,
        };
        match overlong {
            _ if !tokens.count().is_truncated() => Ok(tokens),
            Overlong::CutEnd => Ok(tokens),
            Overlong::CutStart => self.framed(&self.end_of(input), number),
            Overlong::Refuse => Err(Error::InputTooLong {
                input: number,
                tokens: tokens.count().seen,
                model: self.name().to_owned(),
                max: self.max_tokens(),
            }),
        }
    }

    /// The last tokens of a text, as many as are read.
    fn end_of(&self, input: &EmbeddingInput) -> Vec<u32> {
        let ids = match input {
            EmbeddingInput::Text(text) => self.tokenize(text, false).iter().map(|token| token.id).collect(),
            EmbeddingInput::TokenIds(ids) => ids.clone(),
        };
        let (before, after) = self.encoder.tokenizer().specials();
        let room = self.max_tokens().saturating_sub(before + after);
        ids[ids.len().saturating_sub(room)..].to_vec()
    }

    fn framed(&self, ids: &[u32], number: usize) -> Result<Tokens, Error> {
        let vocabulary = self.encoder.tokenizer().vocabulary_size();
        let unknown =
            |id| Error::UnknownToken { input: number, id, model: self.name().to_owned(), last: vocabulary - 1 };
        self.encoder.tokens_of(ids).map_err(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EmbeddingInput::{Text, TokenIds};

    fn embedder() -> Embedder {
        Embedder { encoder: Arc::new(Encoder::builtin()), threads: 2 }
    }

    fn embed(inputs: &[EmbeddingInput], overlong: Overlong) -> Vec<Encoded> {
        embedder().embed(inputs, 0, overlong, false).expect("embedded")
    }

    #[test]
    fn a_text_and_its_tokens_have_the_same_vector() {
        let text = "A captain pursues a white whale.";
        let ids = |special| embedder().tokenize(text, special).iter().map(|token| token.id).collect::<Vec<_>>();
        let inputs = [Text(text.to_owned()), TokenIds(ids(false)), TokenIds(ids(true))];
        let expected = Encoder::builtin().encode(text).vector;
        for (encoded, input) in embed(&inputs, Overlong::CutEnd).iter().zip(&inputs) {
            assert_eq!(encoded.vector, expected, "{input:?}");
            assert_eq!(encoded.tokens.seen, ids(true).len(), "{input:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_either_end_or_refused() {
        let (start, end) = ("whale ".repeat(300), "bread ".repeat(254));
        let long = format!("{start}{end}");
        let of = |text: &str, overlong| embed(&[Text(text.to_owned())], overlong).remove(0);
        assert_eq!(of(&long, Overlong::CutEnd).vector, of(&start, Overlong::CutEnd).vector);
        assert_eq!(of(&long, Overlong::CutStart).vector, of(&end, Overlong::CutEnd).vector);
        let refused = embedder().embed(&[Text("a".to_owned()), Text(long)], 7, Overlong::Refuse, false);
        let message = refused.expect_err("too long").to_string();
        assert!(message.contains("input 8") && message.contains("556 tokens") && message.contains("256"), "{message}");
    }

    #[test]
    fn what_is_nothing_or_no_token_is_refused_with_its_number() {
        for (input, expected) in [
            (Text(String::new()), "input 3 is empty"),
            (TokenIds(vec![]), "input 3 is empty"),
            (TokenIds(vec![2023, 100_257]), "input 3 has the token id 100257"),
        ] {
            let refused = embedder().embed(std::slice::from_ref(&input), 3, Overlong::CutEnd, false);
            let message = refused.expect_err("refused").to_string();
            assert!(message.starts_with(expected), "{input:?}: {message}");
        }
    }

    #[test]
    fn unscaled_vectors_have_the_same_direction() {
        let input = [Text("a grey sea".to_owned())];
        let mut unscaled = embedder().embed(&input, 0, Overlong::CutEnd, true).expect("embedded").remove(0).vector;
        let scaled = embed(&input, Overlong::CutEnd).remove(0).vector;
        let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length(&unscaled) - 1.0).abs() > 0.01 && (length(&scaled) - 1.0).abs() < 1e-5);
        normalize(&mut unscaled);
        let most = unscaled.iter().zip(&scaled).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-6, "{most}");
    }
}
