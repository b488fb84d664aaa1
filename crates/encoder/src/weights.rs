//! Reads the tensors of a `model.safetensors` as floats.

use crate::Error;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// The tensors of one file.
pub(crate) struct Weights<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    /// What precedes every name, e.g. `bert.`.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    pub(crate) fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| Error::Weights { path: path.into(), source })?;
        let is_wrapped = tensors.names().iter().any(|name| name.starts_with("bert."));
        Ok(Self { path, tensors, prefix: if is_wrapped { "bert." } else { "" } })
    }

    /// The tensor `name`, which must have `shape`, as floats.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.floats_if(name, &format!("shape {shape:?}"), |found| found == shape)
    }

    /// The tensor `name`, which must have at least `rows` rows of `width`, as floats.
    pub(crate) fn floats_from(&self, name: &str, rows: usize, width: usize) -> Result<Vec<f32>, Error> {
        let expected = format!("at least {rows} rows of {width}");
        self.floats_if(name, &expected, |found| matches!(found, &[r, w] if r >= rows && w == width))
    }

    fn floats_if(&self, name: &str, shape: &str, fits: impl Fn(&[usize]) -> bool) -> Result<Vec<f32>, Error> {
        let name = format!("{}{name}", self.prefix);
        let fault = |found: String| Error::Tensor {
            path: self.path.into(),
            tensor: name.clone(),
            found,
            expected: format!("f32, f16 or bf16, {shape}"),
        };
        let tensor = self.tensors.tensor(&name).map_err(|_| fault("is missing".into()))?;
        if !fits(tensor.shape()) {
            return Err(fault(format!("has shape {:?}", tensor.shape())));
        }
        let (words, bytes) = (tensor.data().as_chunks::<2>().0, tensor.data().as_chunks::<4>().0);
        let values: Vec<f32> = match tensor.dtype() {
            Dtype::F32 => bytes.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::BF16 => words.iter().map(|&b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)).collect(),
            Dtype::F16 => words.iter().map(|&b| widen_f16(u16::from_le_bytes(b))).collect(),
            other => return Err(fault(format!("is {other:?}"))),
        };
        match values.iter().all(|x| x.is_finite()) {
            true => Ok(values),
            false => Err(fault("holds a value that is not finite".into())),
        }
    }
}

/// IEEE half precision to single, exact.
fn widen_f16(half: u16) -> f32 {
    let (sign, exponent, fraction) = (half >> 15, (half >> 10) & 31, f32::from(half & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(e) - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widens_halves() {
        let cases: [(u16, f32); 8] = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (half, single) in cases {
            assert_eq!(widen_f16(half), single, "{half:#06x}");
        }
        assert!(widen_f16(0x7e00).is_nan());
    }
}
