//! Matrix products of floats: `out[T, N] = activation(x[T, K] · weight[K, N] + bias[N])`.
//!
//! Each output is one chain of fused multiply-adds over `k = 0, 1, …`, whatever the tile that computes
//! it: so the result does not depend on the number of rows, nor on the instruction set.

use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::math::with_constant;
use crate::prefetch::prefetch;
use crate::team::Places;
use crate::{Activation, Crew, Isa};
use std::array::from_fn;

/// Outputs of the widest tile, which are also what a thread takes at a time.
const PANEL: usize = 64;
/// Rows in the tallest tile: 6 rows of 4 registers leave room for the operands among 32.
const MAX_ROWS: usize = 6;

/// A linear layer of floats.
#[derive(Clone, Copy)]
pub struct LinearF32<'a> {
    /// The weights, as [`pack_f32`] lays them out.
    pub packed: &'a [f32],
    /// One per output, `[N]`.
    pub bias: &'a [f32],
    /// Inputs, `K`.
    pub k: usize,
}

impl LinearF32<'_> {
    /// Outputs, `N`.
    pub fn n(&self) -> usize {
        self.bias.len()
    }

    /// `out[T, N] = activation(x[T, K] · weight + bias)`. Before the activation, the error is at most
    /// `(K + 1) · 2⁻²⁴ · (Σ |x · w| + |bias|)`: one rounding for each product, and one for the bias. The crew splits
    /// the outputs.
    ///
    /// # Panics
    /// If the lengths do not fit the shapes.
    pub fn apply(&self, isa: Isa, crew: &Crew<'_>, x: &[f32], activation: Activation, out: &mut [f32]) {
        let (k, n) = (self.k, self.n());
        assert!(k > 0 && n > 0, "LinearF32: empty layer");
        assert_eq!(self.packed.len(), packed_f32_len(k, n), "LinearF32: packed weights of another shape");
        assert!(x.len().is_multiple_of(k), "LinearF32: not whole rows");
        let rows = x.len() / k;
        assert_eq!(Some(out.len()), rows.checked_mul(n), "LinearF32: output of another shape");
        if rows == 0 {
            return;
        }
        let out = Places::new(out);
        crew.run(n.div_ceil(PANEL), |p| {
            let mut panels = self.packed[p * k * PANEL..].chunks(k * PANEL);
            let (panel, next) = (panels.next().unwrap_or_default(), panels.next().unwrap_or_default());
            let first = p * PANEL;
            let shape = Product { m: rows, n: PANEL.min(n - first), k, a_stride: k, c_stride: n, c_start: first };
            let epilogue = Epilogue::BiasActivation(&self.bias[first..], activation);
            // SAFETY: a panel's outputs are written by whoever has that panel.
            unsafe { shape.run(isa, x, panel, next, epilogue, out) };
        });
    }
}

/// Floats that [`pack_f32`] needs for a layer of `K` inputs and `N` outputs.
///
/// # Panics
/// If that is more than memory can hold.
pub fn packed_f32_len(k: usize, n: usize) -> usize {
    n.checked_next_multiple_of(LANES).and_then(|n| n.checked_mul(k)).expect("packed_f32_len: a layer too large")
}

/// Lays `weight[N, K]` (PyTorch's order) out in blocks of sixteen outputs, `[N/16][K][16]`, the last one filled with
/// zeros: a tile of any width reads each of its blocks from front to back.
///
/// # Panics
/// If the length is not `N · K`, or `K` is 0.
pub fn pack_f32(weight: &[f32], k: usize, n: usize) -> Vec<f32> {
    assert!(k > 0 && Some(weight.len()) == k.checked_mul(n), "pack_f32: weights of another shape");
    let mut packed = vec![0.0; packed_f32_len(k, n)];
    for (row, weight) in weight.chunks_exact(k).enumerate() {
        let block = &mut packed[row / LANES * LANES * k..];
        for (i, &w) in weight.iter().enumerate() {
            block[i * LANES + row % LANES] = w;
        }
    }
    packed
}

/// The shape of a product `C[m, n] = A[m, k] · B[k, n]`; strides are from one row to the next. `B` lies in blocks of
/// sixteen columns, `[n/16][k][16]`.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a_stride: usize,
    pub c_stride: usize,
    /// Where `C` begins among the places that are written to.
    pub c_start: usize,
}

/// What is done to the sums before they are stored.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue<'a> {
    /// Nothing.
    Store,
    /// Each column's bias is added, and the activation applied.
    BiasActivation(&'a [f32], Activation),
}

impl Epilogue<'_> {
    /// What is added to `width` columns from `column` on, filled up with zeros.
    #[inline(always)]
    fn bias(&self, column: usize, width: usize) -> [[f32; LANES]; PANEL / LANES] {
        let mut bias = [[0.0; LANES]; PANEL / LANES];
        if let Epilogue::BiasActivation(all, _) = self {
            bias.as_flattened_mut()[..width].copy_from_slice(&all[column..][..width]);
        }
        bias
    }

    /// From the sums of a tile to its outputs, where they lie, which is in the first-level cache: the rows of `C` are far
    /// apart, and what was just written there is slow to read again.
    #[inline(always)]
    fn apply<L: Lanes>(&self, proof: L::Proof, sums: &mut [[f32; PANEL]], bias: &[[f32; LANES]]) {
        let Epilogue::BiasActivation(_, activation) = self else { return };
        with_constant!(activation, |ACTIVATION| {
            for row in sums {
                for (sum, bias) in row.as_chunks_mut().0.iter_mut().zip(bias) {
                    ACTIVATION.apply(proof, L::load(proof, sum).add(L::load(proof, bias))).store(sum);
                }
            }
        });
    }
}

impl Product {
    /// Computes the product, and has `next` brought to the cache meanwhile.
    ///
    /// # Panics
    /// If a matrix does not hold its shape.
    ///
    /// # Safety
    /// Nobody else may use the places of `C` meanwhile.
    pub(crate) unsafe fn run(
        &self,
        isa: Isa,
        a: &[f32],
        b: &[f32],
        next: &[f32],
        epilogue: Epilogue<'_>,
        c: Places<'_, f32>,
    ) {
        if self.m == 0 {
            return;
        }
        let holds = |len: usize, rows: usize, stride: usize, width: usize| {
            let needed = (rows - 1).checked_mul(stride).and_then(|before| before.checked_add(width));
            stride >= width && needed.is_some_and(|needed| len >= needed)
        };
        assert!(self.k > 0 && self.n > 0, "Product: empty shape");
        assert!(holds(a.len(), self.m, self.a_stride, self.k), "Product: A is too small");
        assert!(b.len() >= packed_f32_len(self.k, self.n), "Product: B is too small");
        match epilogue {
            Epilogue::Store => {}
            Epilogue::BiasActivation(bias, _) => assert!(bias.len() >= self.n, "Product: too few biases"),
        }
        product(isa, *self, a, b, next, epilogue, c);
    }
}

for_every_isa! {
    fn product(shape: Product, a: &[f32], b: &[f32], next: &[f32], epilogue: Epilogue<'_>, c: Places<'_, f32>) = product_generic;
}

#[inline(always)]
fn product_generic<L: Lanes>(
    proof: L::Proof,
    shape: Product,
    a: &[f32],
    b: &[f32],
    next: &[f32],
    epilogue: Epilogue<'_>,
    c: Places<'_, f32>,
) {
    let (mut column, mut sums): (usize, Sums) = (0, [[0.0; PANEL]; MAX_ROWS]);
    while column < shape.n {
        let left = (shape.n - column).div_ceil(LANES);
        let blocks = [4, 2].into_iter().find(|&blocks| blocks <= left.min(L::BLOCKS)).unwrap_or(1);
        let width = (blocks * LANES).min(shape.n - column);
        let bias = epilogue.bias(column, width);
        for (i, (row, height)) in tiles(shape.m, MAX_ROWS).enumerate() {
            if column == 0 {
                prefetch::<L, _>(next, i, shape.m.div_ceil(MAX_ROWS));
            }
            let (a, b) = (&a[row * shape.a_stride..], &b[column * shape.k..]);
            macro_rules! tile {
                ($($rows:literal)*) => { match (height, blocks) {
                    // SAFETY: `Product::run` checked that the matrices hold their shapes, and the tile lies inside the
                    // shape.
                    $(($rows, 4) => unsafe { tile::<L, $rows, 4>(proof, shape, a, b, &mut sums) },
                    // SAFETY: as above.
                    ($rows, 2) => unsafe { tile::<L, $rows, 2>(proof, shape, a, b, &mut sums) },
                    // SAFETY: as above.
                    ($rows, _) => unsafe { tile::<L, $rows, 1>(proof, shape, a, b, &mut sums) },)*
                    _ => unreachable!("tiles are 1 to 6 rows high"),
                }};
            }
            tile!(1 2 3 4 5 6);
            epilogue.apply::<L>(proof, &mut sums[..height], &bias[..blocks]);
            for (t, sums) in (row..row + height).zip(&sums) {
                // SAFETY: `Product::run`'s caller has `C` to itself.
                let c = unsafe { c.slice_mut(shape.c_start + t * shape.c_stride + column, width) };
                // By whole lanes: copying as many floats as come at run time is a call.
                let (c, c_rest) = c.as_chunks_mut::<LANES>();
                let (sums, sums_rest) = sums[..width].as_chunks();
                c.iter_mut().zip(sums).for_each(|(c, sums)| *c = *sums);
                if !c_rest.is_empty() {
                    c_rest.copy_from_slice(sums_rest);
                }
            }
        }
        column += blocks * LANES;
    }
}

/// Sums of one tile, row by row.
type Sums = [[f32; PANEL]; MAX_ROWS];

/// Cuts `rows` into tiles of at most `max` rows, as equal as possible: first row and height of each.
pub(crate) fn tiles(rows: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(max);
    (0..count).map(move |i| {
        let start = rows * i / count;
        (start, rows * (i + 1) / count - start)
    })
}

/// Computes the sums of `ROWS` rows of `BLOCKS · 16` columns.
///
/// # Safety
/// `a` must hold `ROWS` rows of the shape's `k`, `a_stride` apart, and `b` `BLOCKS` blocks of `k` rows of sixteen.
#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const BLOCKS: usize>(
    proof: L::Proof,
    shape: Product,
    a: &[f32],
    b: &[f32],
    out: &mut Sums,
) {
    let mut sums = [[L::splat(proof, 0.0); BLOCKS]; ROWS];
    let (a, b) = (a.as_ptr(), b.as_ptr());
    for k in 0..shape.k {
        // SAFETY: row `k` of block `j` of `b` holds sixteen floats, says the caller.
        let b: [L; BLOCKS] = from_fn(|j| L::load(proof, unsafe { &*b.add((j * shape.k + k) * LANES).cast() }));
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: row `row` of `a` holds `k` floats, says the caller.
            let a = L::splat(proof, unsafe { *a.add(row * shape.a_stride + k) });
            for (sum, &b) in sums.iter_mut().zip(&b) {
                *sum = a.mul_add(b, *sum);
            }
        }
    }
    for (sums, out) in sums.iter().zip(out) {
        for (sum, out) in sums.iter().zip(out.as_chunks_mut().0) {
            sum.store(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};

    #[test]
    fn equals_the_plain_product_on_every_isa_and_for_every_row_alone() {
        let shapes =
            [(0, 8, 100), (1, 1, 1), (2, 5, 17), (7, 24, 64), (9, 32, 65), (13, 40, 100), (6, 33, 192), (41, 600, 70)];
        for (rows, k, n) in shapes {
            let mut random = Random::new((rows * k * n) as u64);
            let (x, weight, bias) = (random.floats(rows * k), random.floats(n * k), random.floats(n));
            let packed = pack_f32(&weight, k, n);
            let layer = LinearF32 { packed: &packed, bias: &bias, k };
            let out = same_on_every_isa(&vec![0.0; rows * n], |isa, out| {
                layer.apply(isa, &Crew::ALONE, &x, Activation::None, out)
            });
            for t in 0..rows {
                let mut alone = vec![0.0; n];
                layer.apply(Isa::best(), &Crew::ALONE, &x[t * k..][..k], Activation::None, &mut alone);
                assert_eq!(alone, &out[t * n..][..n], "row {t} alone, {rows} × {k} × {n}");
                for j in 0..n {
                    let products = (0..k).map(|i| f64::from(x[t * k + i]) * f64::from(weight[j * k + i]));
                    let size = products.clone().map(f64::abs).sum::<f64>() + f64::from(bias[j]).abs();
                    let exact = products.sum::<f64>() + f64::from(bias[j]);
                    let bound = (k + 1) as f64 * 2f64.powi(-24) * size;
                    assert!((f64::from(out[t * n + j]) - exact).abs() <= bound, "{rows} × {k} × {n} at {t}, {j}");
                }
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows_once() {
        for rows in 0..40 {
            let mut next = 0;
            for (start, height) in tiles(rows, MAX_ROWS) {
                assert!(start == next && (1..=MAX_ROWS).contains(&height), "{rows} rows");
                next += height;
            }
            assert_eq!(next, rows);
        }
    }

    #[test]
    #[should_panic(expected = "B is too small")]
    fn a_product_checks_its_operands() {
        let shape = Product { m: 1, n: 16, k: 2, a_stride: 2, c_stride: 16, c_start: 0 };
        let mut c = [0.0; 16];
        // SAFETY: nobody else has `c`.
        unsafe { shape.run(Isa::best(), &[0.0; 2], &[0.0; 31], &[], Epilogue::Store, Places::new(&mut c)) };
    }
}
