//! The directions in which the vectors differ most.
//!
//! Embeddings fill few of their dimensions evenly: half of the directions, well chosen, hold some 94 % of the square of a
//! vector of books. Codes are of these directions only; of what lies outside of them its length is kept.
//!
//! They are the leading eigenvectors of the second moments of a sample, by orthogonal iteration (Golub and Van Loan,
//! *Matrix Computations*, 8.2.4). How near they come to the best ones decides how fast a search is, never what it finds.

use libellus_kernels::{Activation, Crew, Isa, LinearF32, WIDTH_STEP, dot_f32, pack_f32};

/// Rows of which the moments are taken.
pub(super) const SAMPLE: usize = 8_192;
/// Steps of the iteration.
const STEPS: usize = 10;
/// Share of the sample's square that may lie outside.
const OUTSIDE: f64 = 1.0 / 16.0;
/// Of a direction's spread, what its codes' width grows by: between even errors and even shares.
const WIDTH_POWER: f32 = 0.75;

/// Orthonormal directions, and how far each of them is used.
#[derive(Debug)]
pub(super) struct Basis {
    pub dim: usize,
    /// `[M][dim]`; a direction that is not needed is all zeros.
    pub vectors: Vec<f32>,
    /// What the codes of each direction are multiplied by, `[M]`.
    pub widths: Vec<f32>,
    /// How far the directions are from being orthonormal: a bound for the norm of `B·Bᵀ - I` over those in use.
    pub skew: f64,
    /// The directions as a kernel reads them.
    packed: Vec<f32>,
    zeros: Vec<f32>,
}

impl Basis {
    /// The directions of a sample of rows, at most `most` of them, rounded up to what a kernel takes.
    pub fn of(sample: &[f32], dim: usize, most: usize) -> Self {
        let moments = moments(sample, dim);
        let used = most.next_multiple_of(WIDTH_STEP).min(dim);
        let mut vectors = if used == dim { identity(dim) } else { leading(&moments, dim, used) };
        let mut spreads: Vec<f32> = vectors.chunks_exact(dim).map(|vector| along(&moments, vector)).collect();
        let total: f64 = (0..dim).map(|i| f64::from(moments[i * dim + i])).sum();
        let (mut width, mut held) = (0, 0.0);
        while width < used && (width == 0 || held < (1.0 - OUTSIDE) * total) {
            let next = (width + WIDTH_STEP).min(used);
            held += spreads[width..next].iter().map(|&spread| f64::from(spread)).sum::<f64>();
            width = next;
        }
        if used < dim {
            vectors.truncate(width * dim);
            spreads.truncate(width);
        }
        Self::new(dim, vectors, &spreads)
    }

    fn new(dim: usize, mut vectors: Vec<f32>, spreads: &[f32]) -> Self {
        let width = (vectors.len() / dim).next_multiple_of(WIDTH_STEP);
        vectors.resize(width * dim, 0.0);
        let largest = spreads.iter().copied().fold(0.0, f32::max).max(f32::MIN_POSITIVE);
        let mut widths: Vec<f32> =
            spreads.iter().map(|&spread| (spread / largest).max(1e-6).sqrt().powf(WIDTH_POWER)).collect();
        widths.resize(width, 1.0);
        Self::from_parts(dim, vectors, widths)
    }

    /// Directions that were chosen before.
    pub fn from_parts(dim: usize, vectors: Vec<f32>, widths: Vec<f32>) -> Self {
        let width = widths.len();
        let (packed, zeros, skew) = (pack_f32(&vectors, dim, width), vec![0.0; width], skew(&vectors, dim));
        Self { dim, vectors, widths, skew, packed, zeros }
    }

    /// Directions, `M`.
    pub fn width(&self) -> usize {
        self.widths.len()
    }

    /// `out[T, M] = rows[T, dim] · Bᵀ`, each within `(dim + 1) · 2⁻²⁴` of the vectors' lengths multiplied.
    pub fn project(&self, rows: &[f32], out: &mut Vec<f32>) {
        out.resize(rows.len() / self.dim * self.width(), 0.0);
        let layer = LinearF32 { packed: &self.packed, bias: &self.zeros, k: self.dim };
        layer.apply(Isa::best(), &Crew::ALONE, rows, Activation::None, out);
    }
}

/// `Σ xᵀx` over a sample, divided by its size; `[dim][dim]`.
fn moments(sample: &[f32], dim: usize) -> Vec<f32> {
    let rows = sample.len() / dim;
    let mut columns = vec![0.0; rows * dim];
    for (row, values) in sample.chunks_exact(dim).enumerate() {
        values.iter().enumerate().for_each(|(i, &value)| columns[i * rows + row] = value);
    }
    let mut moments = vec![0.0; dim * dim];
    if rows > 0 {
        let (packed, zeros) = (pack_f32(&columns, rows, dim), vec![0.0; dim]);
        let layer = LinearF32 { packed: &packed, bias: &zeros, k: rows };
        layer.apply(Isa::best(), &Crew::ALONE, &columns, Activation::None, &mut moments);
    }
    moments.iter_mut().for_each(|moment| *moment /= rows.max(1) as f32);
    moments
}

/// `vᵀ · moments · v`: the mean square of the rows along a direction.
fn along(moments: &[f32], vector: &[f32]) -> f32 {
    let isa = Isa::best();
    let products = moments.chunks_exact(vector.len()).map(|row| dot_f32(isa, row, vector));
    products.zip(vector).map(|(product, v)| product * v).sum::<f32>().max(0.0)
}

fn identity(dim: usize) -> Vec<f32> {
    (0..dim * dim).map(|i| if i / dim == i % dim { 1.0 } else { 0.0 }).collect()
}

/// The leading `count` eigenvectors, about.
fn leading(moments: &[f32], dim: usize, count: usize) -> Vec<f32> {
    // The axes of greatest spread are as good a beginning as any.
    let mut axes: Vec<usize> = (0..dim).collect();
    axes.sort_by(|&a, &b| moments[b * dim + b].total_cmp(&moments[a * dim + a]).then(a.cmp(&b)));
    let mut vectors = vec![0.0; count * dim];
    axes.iter().take(count).enumerate().for_each(|(row, &axis)| vectors[row * dim + axis] = 1.0);
    let (packed, zeros) = (pack_f32(moments, dim, dim), vec![0.0; dim]);
    let layer = LinearF32 { packed: &packed, bias: &zeros, k: dim };
    let mut product = vec![0.0; count * dim];
    for _ in 0..STEPS {
        layer.apply(Isa::best(), &Crew::ALONE, &vectors, Activation::None, &mut product);
        std::mem::swap(&mut vectors, &mut product);
        make_orthonormal(&mut vectors, dim);
    }
    vectors
}

/// Gram and Schmidt, twice, as once loses digits. A direction that lies within those before it becomes zeros.
fn make_orthonormal(vectors: &mut [f32], dim: usize) {
    let isa = Isa::best();
    for i in 0..vectors.len() / dim {
        let (before, vector) = vectors.split_at_mut(i * dim);
        let vector = &mut vector[..dim];
        let mut whole = normalize(vector);
        for _ in 0..2 {
            for other in before.chunks_exact(dim) {
                let share = dot_f32(isa, vector, other);
                vector.iter_mut().zip(other).for_each(|(v, o)| *v -= share * o);
            }
            whole *= normalize(vector);
        }
        if whole < 1e-5 {
            vector.fill(0.0);
        }
    }
}

/// Scales to length 1, if that can be; gives the share of the largest magnitude that the length was.
fn normalize(vector: &mut [f32]) -> f32 {
    let length = vector.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    if !(length > f64::from(f32::MIN_POSITIVE) && length.is_finite()) {
        vector.fill(0.0);
        return 0.0;
    }
    vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
    length.min(1.0) as f32
}

/// The root of the sum of squares of `B·Bᵀ - I`, which bounds its norm; rows of zeros are left out.
fn skew(vectors: &[f32], dim: usize) -> f64 {
    let rows: Vec<&[f32]> = vectors.chunks_exact(dim).filter(|row| row.iter().any(|v| *v != 0.0)).collect();
    let mut square = 0.0;
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows[..=i].iter().enumerate() {
            let product: f64 = a.iter().zip(*b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            square += if i == j { (product - 1.0).powi(2) } else { 2.0 * product * product };
        }
    }
    square.sqrt() * 1.001
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_what_differs_lies_in_few_directions() {
        // Rows in a plane of a space of 100 dimensions, and a little noise.
        let dim = 100;
        let rows: Vec<f32> = (0..500_usize)
            .flat_map(|row| {
                let (a, b) = ((row as f32).sin(), (row as f32 * 0.7).cos());
                (0..dim).map(move |i| {
                    let noise = ((row * 31 + i * 17) % 101) as f32 / 101.0 - 0.5;
                    a * (i as f32).cos() + b * (i as f32 * 2.0).sin() + 0.01 * noise
                })
            })
            .collect();
        let basis = Basis::of(&rows, dim, 64);
        assert_eq!(basis.width(), WIDTH_STEP);
        assert!(basis.skew < 1e-2, "{}", basis.skew);
        let mut inside = Vec::new();
        basis.project(&rows, &mut inside);
        let square = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        assert!(square(&inside) > 0.999 * square(&rows), "{} of {}", square(&inside), square(&rows));
    }

    #[test]
    fn nothing_to_learn_from_gives_no_directions_but_works() {
        for rows in [vec![0.0; 640], vec![1e-30; 640], Vec::new()] {
            let basis = Basis::of(&rows, 64, 32);
            assert!(basis.skew.is_finite() && basis.widths.iter().all(|width| *width > 0.0));
        }
    }
}
