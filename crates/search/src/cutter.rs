//! Passages measured by the model that will read them.

use libellus_catalogue::PassageCutter;
use libellus_encoder::Encoder;

/// Cuts books into passages that this encoder reads whole.
#[derive(Clone, Copy)]
pub struct EncoderCutter<'a>(pub &'a Encoder);

impl PassageCutter for EncoderCutter<'_> {
    fn count_tokens(&self, text: &str) -> usize {
        self.0.tokenizer().count(text)
    }

    fn max_tokens(&self) -> usize {
        self.0.info().max_tokens
    }
}
