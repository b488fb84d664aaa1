//! The 8-bit linear layer: `out[T, N] = activation(dequantised(x[T, K] · weight[K, N]) + bias[N])`.
//!
//! Rows of `x` are unsigned bytes with a scale and a zero point each ([`QuantizedRows`]), weights are
//! signed bytes in -127 ..= 127 with a scale per output. With `a` a row's bytes and `z` its zero point,
//!
//! ```text
//! Σ (a[k] - z) · w[k, n]  =  Σ a[k] · w[k, n]  -  z · Σ w[k, n]
//! ```
//!
//! where the last sum, the *column sum*, is known beforehand. All of it is exact in `i32` as long as
//! `K ≤` [`MAX_K`]. Then come three roundings: the sum to a float, `scale · scale[n]`, and
//! `sum · (scale · scale[n]) + bias[n]`, a fused multiply-add.
//!
//! # Layout
//! Weights are packed `[N/64][K/4][64][4]`: the four bytes of one output that a 32-bit lane multiplies lie
//! together, sixteen outputs fill a 512-bit register, and a panel of 64 outputs is read front to back.
//! `K` and `N` are filled up with zeros.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
mod scalar;

use crate::isa::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::linear_f32::tiles;
use crate::prefetch::prefetch;
use crate::team::Places;
use crate::{Activation, Crew, QuantizedRows};
use std::mem::MaybeUninit;

/// Outputs in a panel of packed weights.
pub const PANEL: usize = 64;
/// Greatest `K`: `255 · 127 · MAX_K` still fits an `i32`.
pub const MAX_K: usize = 66_000;
/// Bytes that one 32-bit lane multiplies at a time.
const QUAD: usize = 4;
/// Rows in the tallest tile of registers.
const MAX_ROWS: usize = 6;
/// Rows in the tallest tile.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const TALLEST: usize = amx::MAX_ROWS;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
const TALLEST: usize = MAX_ROWS;

/// A linear layer of bytes.
#[derive(Clone, Copy)]
pub struct LinearI8<'a> {
    /// The weights, as [`pack_i8`] lays them out. None may be -128, which is not checked: with one, each
    /// instruction set gives an answer of its own.
    pub packed: &'a [i8],
    /// One step per output, `[N]`.
    pub scales: &'a [f32],
    /// The weights of each output summed over `K`, `[N]`, as [`column_sums`] gives them.
    pub column_sums: &'a [i32],
    /// One per output, `[N]`.
    pub bias: &'a [f32],
    /// Inputs, `K`.
    pub k: usize,
}

/// Bytes that [`pack_i8`] needs for a layer of `K` inputs and `N` outputs.
///
/// # Panics
/// If that is more than memory can hold.
pub fn packed_i8_len(k: usize, n: usize) -> usize {
    let k = k.checked_next_multiple_of(QUAD);
    let n = n.checked_next_multiple_of(PANEL);
    n.zip(k).and_then(|(n, k)| n.checked_mul(k)).expect("packed_i8_len: a layer too large")
}

/// Lays `weight[N, K]` (PyTorch's order) out as the kernels read it.
///
/// # Panics
/// If the length is not `N · K`, `K` is 0, or a weight is -128.
pub fn pack_i8(weight: &[i8], k: usize, n: usize) -> Vec<i8> {
    assert!(k > 0 && Some(weight.len()) == k.checked_mul(n), "pack_i8: weights of another shape");
    assert!(!weight.contains(&i8::MIN), "pack_i8: -128 is not a weight");
    let mut packed = vec![0; packed_i8_len(k, n)];
    let panel_len = PANEL * k.next_multiple_of(QUAD);
    for (row, weight) in weight.chunks_exact(k).enumerate() {
        let panel = &mut packed[row / PANEL * panel_len..];
        for (i, &w) in weight.iter().enumerate() {
            panel[(i / QUAD * PANEL + row % PANEL) * QUAD + i % QUAD] = w;
        }
    }
    packed
}

/// Sums `weight[N, K]` (PyTorch's order) over `K`.
///
/// # Panics
/// If the length is not a multiple of `K`.
pub fn column_sums(weight: &[i8], k: usize) -> Vec<i32> {
    assert!(k > 0 && weight.len().is_multiple_of(k), "column_sums: not whole rows");
    weight.chunks_exact(k).map(|row| row.iter().map(|&w| i32::from(w)).sum()).collect()
}

/// `out[T, N] = activation(x · weight + bias)`; the sums are exact, what follows is rounded three times and
/// then by the activation. The crew splits the outputs.
///
/// # Panics
/// If the lengths do not fit the shapes, or `K` is greater than [`MAX_K`].
pub fn linear_i8(
    isa: Isa,
    crew: &Crew<'_>,
    x: &QuantizedRows,
    layer: &LinearI8<'_>,
    activation: Activation,
    out: &mut [f32],
) {
    let n = layer.bias.len();
    assert!(layer.k > 0 && layer.k <= MAX_K && n > 0, "linear_i8: K = {} is not in 1 ..= {MAX_K}", layer.k);
    assert_eq!(x.width(), layer.k, "linear_i8: input of another width");
    assert_eq!(layer.packed.len(), packed_i8_len(layer.k, n), "linear_i8: packed weights of another shape");
    assert!(layer.scales.len() == n && layer.column_sums.len() == n, "linear_i8: scales or sums of another length");
    assert_eq!(Some(out.len()), x.rows().checked_mul(n), "linear_i8: output of another shape");
    let out = Places::new(out);
    crew.run(n.div_ceil(PANEL), |p| panel(isa, x, layer, activation, p, out));
}

for_every_isa! {
    fn panel(x: &QuantizedRows, layer: &LinearI8<'_>, activation: Activation, p: usize, out: Places<'_, f32>)
        = panel_generic;
}

/// Sums of one row of a tile.
type Sums = [i32; PANEL];

/// Sums of products of bytes, in each instruction set's own way.
trait DotProducts: Lanes {
    /// What is taken off the bytes of `x` before they are multiplied.
    const SHIFT: i32;
    /// Memory for one call after the other; what it holds means nothing.
    type Scratch: Default;

    /// `sums[t][n] = Σ (x[t][k] - SHIFT) · w[k, n]` for the `ROWS` rows that `x` holds end to end and the 64
    /// outputs of a panel, exact.
    fn dot_products<const ROWS: usize>(
        proof: Self::Proof,
        x: &[u8],
        panel: &[i8],
        scratch: &mut Self::Scratch,
        sums: &mut [Sums],
    );

    /// How many rows [`matrix_products`](Self::matrix_products) takes at a time where rows are `stride` bytes apart, at
    /// most [`TALLEST`]; 0 where there are no instructions for that.
    #[inline(always)]
    fn matrix_rows(_proof: Self::Proof, _stride: usize) -> usize {
        0
    }

    /// As [`dot_products`](Self::dot_products), for as many rows as `sums` has.
    #[inline(always)]
    fn matrix_products(_proof: Self::Proof, _x: &[u8], _panel: &[i8], _sums: &mut [Sums]) {}
}

/// The outputs of panel `p`, for all rows.
#[inline(always)]
fn panel_generic<L: DotProducts>(
    proof: L::Proof,
    x: &QuantizedRows,
    layer: &LinearI8<'_>,
    activation: Activation,
    p: usize,
    out: Places<'_, f32>,
) {
    let stride = x.stride();
    let panel = &layer.packed[p * stride * PANEL..][..stride * PANEL];
    let outputs = Outputs::new(layer, p);
    let next = layer.packed[(p + 1) * stride * PANEL..].chunks(stride * PANEL).next().unwrap_or_default();
    let matrix_rows = L::matrix_rows(proof, stride);
    let max_rows = if matrix_rows > 0 { matrix_rows } else { MAX_ROWS };
    let count = x.rows().div_ceil(max_rows);
    // Only what is used is filled, as with few rows the whole would take as long as what it is for.
    let (mut room, mut scratch) = ([const { MaybeUninit::<Sums>::uninit() }; TALLEST], L::Scratch::default());
    let room = &mut room[..max_rows.min(x.rows())];
    room.fill(MaybeUninit::new([0; PANEL]));
    // SAFETY: all of it was filled just now.
    let sums = unsafe { &mut *(std::ptr::from_mut(room) as *mut [Sums]) };
    for (i, (row, height)) in tiles(x.rows(), max_rows).enumerate() {
        prefetch::<L, _>(next, i, count);
        let bytes = &x.bytes()[row * stride..][..height * stride];
        macro_rules! dot_products {
            ($($rows:literal)*) => { match height {
                _ if matrix_rows > 0 => L::matrix_products(proof, bytes, panel, &mut sums[..height]),
                $($rows => L::dot_products::<$rows>(proof, bytes, panel, &mut scratch, sums),)*
                _ => unreachable!("tiles are 1 to 6 rows high"),
            }};
        }
        dot_products!(1 2 3 4 5 6);
        for (t, sums) in (row..row + height).zip(sums.iter()) {
            let (scale, zero_point) = (x.scale(t), x.zero_point(t) - L::SHIFT);
            // SAFETY: a panel's outputs are written by whoever has that panel, one row after the other.
            let out = unsafe { out.slice_mut(t * layer.bias.len() + p * PANEL, outputs.width) };
            let (mut whole, partial) = ([0.0; PANEL], outputs.width < PANEL);
            let row = if partial { &mut whole } else { out.first_chunk_mut().expect("a whole panel") };
            outputs.finish_row::<L>(proof, sums, scale, zero_point, activation, row);
            if partial {
                out.copy_from_slice(&whole[..outputs.width]);
            }
        }
    }
}

/// What is known of a panel's outputs, the last panel filled up with zeros.
struct Outputs {
    width: usize,
    scales: [f32; PANEL],
    column_sums: [i32; PANEL],
    bias: [f32; PANEL],
}

impl Outputs {
    fn new(layer: &LinearI8<'_>, p: usize) -> Self {
        fn filled<T: Copy + Default>(all: &[T], p: usize) -> [T; PANEL] {
            let mut panel = [T::default(); PANEL];
            panel.iter_mut().zip(&all[p * PANEL..]).for_each(|(to, &from)| *to = from);
            panel
        }
        let width = PANEL.min(layer.bias.len() - p * PANEL);
        let (scales, column_sums, bias) = (layer.scales, layer.column_sums, layer.bias);
        Self { width, scales: filled(scales, p), column_sums: filled(column_sums, p), bias: filled(bias, p) }
    }

    /// From exact sums to activated floats. `scale` and `zero_point` are the row's.
    #[inline(always)]
    fn finish_row<L: Lanes>(
        &self,
        proof: L::Proof,
        sums: &Sums,
        scale: f32,
        zero_point: i32,
        activation: Activation,
        out: &mut [f32; PANEL],
    ) {
        let scale = L::splat(proof, scale);
        let (scales, bias) = (self.scales.as_chunks().0, self.bias.as_chunks().0);
        let (sums, column_sums) = (sums.as_chunks().0, self.column_sums.as_chunks().0);
        let out = out.as_chunks_mut::<LANES>().0;
        for j in 0..PANEL / LANES {
            let exact = L::from_difference(proof, &sums[j], zero_point, &column_sums[j]);
            let scale = scale.mul(L::load(proof, &scales[j]));
            exact.mul_add(scale, L::load(proof, &bias[j])).store(&mut out[j]);
        }
        activation.apply_all::<L>(proof, out);
    }
}

/// Groups of four bytes in each of `ROWS` rows, which must fit the panel.
#[inline(always)]
fn quads<const ROWS: usize>(x: &[u8], panel: &[i8]) -> usize {
    let quads = panel.len() / (QUAD * PANEL);
    assert!(
        x.len() == ROWS * quads * QUAD && panel.len() == quads * QUAD * PANEL,
        "dot_products: a tile that does not fit"
    );
    quads
}

/// Four bytes, each made signed by taking 128 off, as one number.
///
/// # Safety
/// Four bytes must be readable at `x`.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn signed_quad(x: *const u8) -> i32 {
    // SAFETY: the caller says so, and the read asks for no alignment.
    let bytes = unsafe { x.cast::<[u8; QUAD]>().read() };
    i32::from_ne_bytes(bytes) ^ i32::from_ne_bytes([128; QUAD])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize_rows;
    use crate::testing::{Bits, Random};

    /// A layer of random weights, extremes included, with what it is made of.
    struct Case {
        weight: Vec<i8>,
        packed: Vec<i8>,
        scales: Vec<f32>,
        column_sums: Vec<i32>,
        bias: Vec<f32>,
        k: usize,
    }

    impl Case {
        fn new(random: &mut Random, k: usize, n: usize) -> Self {
            let weight = random.weights(k * n);
            let (scales, bias) = (random.floats(n).iter().map(|x| x.abs() * 0.01 + 1e-4).collect(), random.floats(n));
            Self { packed: pack_i8(&weight, k, n), column_sums: column_sums(&weight, k), weight, scales, bias, k }
        }

        fn layer(&self) -> LinearI8<'_> {
            let Self { packed, scales, column_sums, bias, k, .. } = self;
            LinearI8 { packed, scales, column_sums, bias, k: *k }
        }
    }

    #[test]
    fn every_isa_equals_the_plain_product_and_every_row_alone() {
        let shapes = [
            (1, 1, 1),
            (2, 3, 5),
            (3, 4, 64),
            (5, 7, 65),
            (6, 24, 40),
            (7, 32, 96),
            (9, 384, 128),
            (13, 80, 32),
            (16, 64, 64),
            (31, 128, 70),
            (70, 192, 5),
        ];
        for (rows, k, n) in shapes.into_iter().chain([(7, 1001, 70)]) {
            let mut random = Random::new((rows * k * n) as u64);
            let case = Case::new(&mut random, k, n);
            let floats = random.floats(rows * k);
            let mut x = QuantizedRows::default();
            quantize_rows(Isa::best(), &floats, &vec![1.0; k], &mut x);
            for isa in Isa::available() {
                let mut out = vec![0.0; rows * n];
                linear_i8(isa, &Crew::ALONE, &x, &case.layer(), Activation::None, &mut out);
                for t in 0..rows {
                    for j in 0..n {
                        let weight = &case.weight[j * k..][..k];
                        let exact: i32 =
                            (0..k).map(|i| (i32::from(x.row(t)[i]) - x.zero_point(t)) * i32::from(weight[i])).sum();
                        let expected = (exact as f32).mul_add(x.scale(t) * case.scales[j], case.bias[j]);
                        let got = out[t * n + j];
                        assert_eq!(
                            got.bits(),
                            expected.bits(),
                            "{isa:?}, {rows} × {k} × {n} at {t}, {j}: {got} {expected}"
                        );
                    }
                    let mut alone = QuantizedRows::default();
                    quantize_rows(isa, &floats[t * k..][..k], &vec![1.0; k], &mut alone);
                    let mut row = vec![0.0; n];
                    linear_i8(isa, &Crew::ALONE, &alone, &case.layer(), Activation::None, &mut row);
                    assert_eq!(row, &out[t * n..][..n], "{isa:?}: row {t} alone");
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_saturate() {
        for (value, weight) in [(1.0, 127), (1.0, -127), (-1.0, 127), (-1.0, -127)] {
            let (k, n) = (4096, 64);
            let weights = vec![weight; k * n];
            let (packed, sums) = (pack_i8(&weights, k, n), column_sums(&weights, k));
            let layer = LinearI8 { packed: &packed, scales: &[1.0; 64], column_sums: &sums, bias: &[0.0; 64], k };
            let mut x = QuantizedRows::default();
            quantize_rows(Isa::Scalar, &vec![value; k], &vec![1.0; k], &mut x);
            let exact = 255 * k as i32 * i32::from(weight) * value as i32;
            for isa in Isa::available() {
                let mut out = vec![0.0; n];
                linear_i8(isa, &Crew::ALONE, &x, &layer, Activation::None, &mut out);
                let expected = exact as f32 * x.scale(0);
                assert!(out.iter().all(|&y| y == expected), "{isa:?}: {} instead of {expected}", out[0]);
            }
        }
    }

    #[test]
    fn activations_are_applied_the_same_on_every_isa() {
        let mut random = Random::new(9);
        let case = Case::new(&mut random, 64, 80);
        let mut x = QuantizedRows::default();
        quantize_rows(Isa::best(), &random.floats(64 * 5), &[1.0; 64], &mut x);
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            crate::testing::same_on_every_isa(&vec![0.0; 5 * 80], |isa, out| {
                linear_i8(isa, &Crew::ALONE, &x, &case.layer(), activation, out);
            });
        }
    }

    #[test]
    #[should_panic(expected = "another width")]
    fn shapes_must_agree() {
        let case = Case::new(&mut Random::new(1), 8, 8);
        let mut x = QuantizedRows::default();
        quantize_rows(Isa::best(), &[1.0; 4], &[1.0; 4], &mut x);
        linear_i8(Isa::best(), &Crew::ALONE, &x, &case.layer(), Activation::None, &mut [0.0; 8]);
    }
}
