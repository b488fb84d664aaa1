//! Runs the float model on a fixed list of texts and shows what enters each linear layer.

use crate::directory::Directory;
use crate::forward::{Batch, Place, Run, Workspace, embed, transform};
use crate::model::Model;
use libellus_kernels::{Crew, Isa};

/// The texts, one a line: descriptions and queries as of a book catalogue, and oddities (single letters,
/// numbers, punctuation, other scripts), so that rare tokens are not quantised badly.
const TEXTS: &str = include_str!("../../../../models/calibration.txt");

/// The texts on their way through the model.
pub(super) struct Calibration {
    model: Model,
    /// Tokens of each text.
    lengths: Vec<usize>,
    /// What enters the next layer, `[T, H]` for each text.
    hidden: Vec<Vec<f32>>,
    workspace: Workspace,
}

/// Rows that entered the four products of a layer, `[T, K]` each.
#[derive(Default)]
pub(super) struct Inputs([Vec<f32>; 4]);

impl Inputs {
    pub(super) fn of(&self, place: Place) -> &[f32] {
        &self.0[place as usize]
    }
}

impl Calibration {
    pub(super) fn new(source: &Directory) -> Self {
        let model = source.dense.to_model();
        let mut workspace = Workspace::default();
        let embedded = TEXTS.lines().map(|text| {
            let mut token_ids = Vec::new();
            source.tokenizer.encode(text, model.config.max_tokens, &mut token_ids);
            let batch = Batch { token_ids: &token_ids, lengths: &[token_ids.len()] };
            embed(&model, Isa::best(), batch, &mut workspace.hidden);
            (token_ids.len(), workspace.hidden.clone())
        });
        let (lengths, hidden) = embedded.unzip();
        Self { model, lengths, hidden, workspace }
    }

    /// Runs the texts through layer `i`; layers are to be run in their order.
    pub(super) fn run_layer(&mut self, i: usize) -> Inputs {
        let mut inputs = Inputs::default();
        let mut observe = |place, rows: &[f32]| inputs.0[place as usize].extend_from_slice(rows);
        for (&length, hidden) in self.lengths.iter().zip(&mut self.hidden) {
            self.workspace.hidden.clone_from(hidden);
            let run = Run { model: &self.model, isa: Isa::best(), crew: &Crew::ALONE, lengths: &[length] };
            transform(run, i, &mut self.workspace, &mut observe);
            hidden.clone_from(&self.workspace.hidden);
        }
        inputs
    }
}
