//! Plain sums: what the answer *is*.

use super::{DotProducts, PANEL, QUAD, Sums, quads};
use crate::lanes::scalar::F32x16;

impl DotProducts for F32x16 {
    const SHIFT: i32 = 0;
    type Scratch = ();

    fn dot_products<const ROWS: usize>(_: (), x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        for (x, sums) in x.chunks_exact(quads * QUAD).zip(sums.iter_mut()) {
            *sums = [0; PANEL];
            for (x, panel) in x.as_chunks::<QUAD>().0.iter().zip(panel.chunks_exact(QUAD * PANEL)) {
                for (sum, w) in sums.iter_mut().zip(panel.as_chunks::<QUAD>().0) {
                    for i in 0..QUAD {
                        *sum = sum.wrapping_add(i32::from(x[i]) * i32::from(w[i]));
                    }
                }
            }
        }
    }
}
