//! Elementary functions on lanes: the exponential and the activations.

use crate::lanes::{LANES, Lanes};

/// Runs a loop with the activation as a constant, so that which one it is, is asked once and not in the loop.
macro_rules! with_constant {
    ($activation:expr, |$name:ident| $body:block) => {
        with_constant!(@each $activation, $name, $body, None, Gelu, GeluTanh, Relu)
    };
    (@each $activation:expr, $name:ident, $body:block, $($variant:ident),*) => {
        match $activation {
            $($crate::Activation::$variant => {
                const $name: $crate::Activation = $crate::Activation::$variant;
                $body
            })*
        }
    };
}
pub(crate) use with_constant;

/// What is applied to each output of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// The exact GELU, `x · Φ(x)`, for finite x; absolute error at most 1.2e-7 · max(1, |x|).
    Gelu,
    /// GELU's tanh form, `x · σ(√(8/π) · (x + 0.044715 x³))`, for finite x; absolute error at most 3e-7 · max(1, |x|).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(self, proof: L::Proof, x: L) -> L {
        match self {
            Activation::None => x,
            Activation::Gelu => gelu(proof, x),
            Activation::GeluTanh => gelu_tanh(proof, x),
            Activation::Relu => x.max(L::splat(proof, 0.0)),
        }
    }

    /// Applies it in place.
    #[inline(always)]
    pub(crate) fn apply_all<L: Lanes>(self, proof: L::Proof, all: &mut [[f32; LANES]]) {
        with_constant!(self, |ACTIVATION| {
            for x in all {
                ACTIVATION.apply(proof, L::load(proof, x)).store(x);
            }
        });
    }
}

/// `eˣ` for `x ≤ 0` (smaller than -87 counts as -87); relative error at most 3e-7.
///
/// Cody and Waite's reduction to `|r| ≤ ln 2 / 2`, then a polynomial of degree 6.
#[inline(always)]
pub(crate) fn exp<L: Lanes>(proof: L::Proof, x: L) -> L {
    let c = |value| L::splat(proof, value);
    let x = x.max(c(-87.0));
    let n = x.mul(c(std::f32::consts::LOG2_E)).round();
    // ln 2 in two parts, the first with few bits, so that n · ln 2 is subtracted without error.
    let r = n.mul_add(c(-0.693_359_4), x);
    let r = n.mul_add(c(2.121_944_4e-4), r);
    let p = c(1.0 / 720.0);
    let p = p.mul_add(r, c(1.0 / 120.0));
    let p = p.mul_add(r, c(1.0 / 24.0));
    let p = p.mul_add(r, c(1.0 / 6.0));
    let p = p.mul_add(r, c(0.5));
    let p = p.mul_add(r, c(1.0));
    let p = p.mul_add(r, c(1.0));
    p.scale_by_power_of_2(n)
}

/// `2ˣ` for -126 ≤ x ≤ 126; relative error at most 2e-7.
#[inline(always)]
pub(crate) fn exp2<L: Lanes>(proof: L::Proof, x: L) -> L {
    let c = |value| L::splat(proof, value);
    let n = x.round();
    let r = x.sub(n);
    // Taylor's series of 2ʳ: (ln 2)ᵏ / k!, for |r| ≤ 1/2.
    let p = c(1.540_353e-4);
    let p = p.mul_add(r, c(1.333_355_8e-3));
    let p = p.mul_add(r, c(9.618_129e-3));
    let p = p.mul_add(r, c(5.550_411e-2));
    let p = p.mul_add(r, c(0.240_226_5));
    let p = p.mul_add(r, c(std::f32::consts::LN_2));
    let p = p.mul_add(r, c(1.0));
    p.scale_by_power_of_2(n)
}

/// `x · Φ(x) = max(x, 0) - |x| · Q(|x|)`, where `Q(u) = erfc(u/√2)/2 = 2^p(u)` is the normal tail.
///
/// `p` is a polynomial of degree 9 fitted to `log₂ Q` on 0 ..= 6 so that the error of `u · Q(u)` is equal
/// everywhere (iteratively reweighted least squares); beyond 6 the tail is below 1e-9 and is taken at 6.
#[inline(always)]
fn gelu<L: Lanes>(proof: L::Proof, x: L) -> L {
    let c = |value| L::splat(proof, value);
    let zero = c(0.0);
    let magnitude = x.max(zero.sub(x));
    let u = magnitude.min(c(6.0));
    let p = c(3.928_694_8e-7);
    let p = p.mul_add(u, c(-7.801_462e-6));
    let p = p.mul_add(u, c(6.441_246e-5));
    let p = p.mul_add(u, c(-2.506_735_3e-4));
    let p = p.mul_add(u, c(-4.675_881_8e-5));
    let p = p.mul_add(u, c(6.996_979_5e-3));
    let p = p.mul_add(u, c(-5.247_401e-2));
    let p = p.mul_add(u, c(-0.459_209_77));
    let p = p.mul_add(u, c(-1.151_105_5));
    let p = p.mul_add(u, c(-1.0));
    x.max(zero).sub(magnitude.mul(exp2(proof, p)))
}

/// `x / (1 + e^(-2z))` with `z = √(2/π) · (x + 0.044715 x³)`.
///
/// The quotient is replaced by the same reflection as in [`gelu`]: with `e = e^(-2|z|)`, the logistic
/// of `-2|z|` is `e / (1 + e)`.
#[inline(always)]
fn gelu_tanh<L: Lanes>(proof: L::Proof, x: L) -> L {
    let c = |value| L::splat(proof, value);
    let zero = c(0.0);
    let u = x.max(zero.sub(x));
    let cubed = u.mul(u).mul(u);
    let z = cubed.mul_add(c(0.044_715), u).mul(c(1.595_769)); // 2 · √(2/π) · (…)
    let e = exp(proof, zero.sub(z));
    x.max(zero).sub(u.mul(e.div(e.add(c(1.0)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::for_every_isa;
    use crate::testing::same_on_every_isa;

    for_every_isa! {
        fn apply_all(activation: Activation, x: &mut [f32]) = apply_generic;
        fn exp_all(x: &mut [f32]) = exp_generic;
    }

    fn map<L: Lanes>(proof: L::Proof, x: &mut [f32], f: impl Fn(L) -> L) {
        for x in x.as_chunks_mut::<LANES>().0 {
            f(L::load(proof, x)).store(x);
        }
    }

    fn apply_generic<L: Lanes>(proof: L::Proof, activation: Activation, x: &mut [f32]) {
        map::<L>(proof, x, |x| activation.apply(proof, x));
    }

    fn exp_generic<L: Lanes>(proof: L::Proof, x: &mut [f32]) {
        map::<L>(proof, x, |x| exp(proof, x));
    }

    /// erf by its Maclaurin series (|x| < 3) or erfc's continued fraction, in f64.
    fn erf(x: f64) -> f64 {
        if x.abs() < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..120 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return sum * 2.0 / std::f64::consts::PI.sqrt();
        }
        let t = x.abs();
        let fraction = (1..200).rev().fold(0.0, |rest, k| f64::from(k) / 2.0 / (t + rest));
        (1.0 - (-t * t).exp() / std::f64::consts::PI.sqrt() / (t + fraction)).copysign(x)
    }

    fn grid() -> Vec<f32> {
        let mut all: Vec<f32> = (-16_000..16_000).map(|i| i as f32 * 7.3e-4).collect();
        all.extend([
            0.0, -0.0, 1e-30, -1e-30, 100.0, -100.0, 1e4, -1e4, 6.0, -6.0, 6.000_001, 0.5, -0.5, 1.0, -1.0, 2.0,
        ]);
        all
    }

    #[test]
    fn activations_are_close_to_their_formulas_and_equal_on_every_isa() {
        type Formula = fn(f64) -> f64;
        let cases: [(Activation, Formula, f64); 4] = [
            (Activation::None, |x| x, 0.0),
            (Activation::Gelu, |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())), 1.2e-7),
            (
                Activation::GeluTanh,
                |x| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
                3e-7,
            ),
            (Activation::Relu, |x| x.max(0.0), 0.0),
        ];
        for (activation, formula, bound) in cases {
            let x = grid();
            let y = same_on_every_isa(&x, |isa, y| apply_all(isa, activation, y));
            for (&x, &y) in x.iter().zip(&y) {
                let exact = formula(f64::from(x));
                let error = (f64::from(y) - exact).abs();
                assert!(error <= bound * f64::from(x).abs().max(1.0), "{activation:?}({x}) = {y}, not {exact}");
            }
        }
    }

    #[test]
    fn exp_is_close_and_equal_on_every_isa() {
        let x: Vec<f32> = (0..16 * 600).map(|i| i as f32 * -0.009).collect();
        let y = same_on_every_isa(&x, exp_all);
        for (&x, &y) in x.iter().zip(&y) {
            let exact = f64::from(x).exp();
            assert!((f64::from(y) - exact).abs() <= 3e-7 * exact, "exp({x}) = {y}, not {exact}");
        }
    }
}
