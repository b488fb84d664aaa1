//! Numeric kernels: bytes and floats in, bytes and floats out, faster.
//!
//! One safe façade per kernel, which checks lengths once. Float kernels are written once over sixteen
//! lanes (`lanes/mod.rs`) and compiled for every [`Isa`]; the 8-bit matrix product has a version per instruction set
//! ([`linear_i8`]). Whatever the instruction set, the results are the same, bit for bit.
//!
//! Shapes: `T` rows (tokens), `K` inner and `N` outer width of a product `[T, K] · [K, N]`. Matrices are
//! row-major.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "heads that threads split between them, and intrinsics")]
mod attention;
#[allow(unsafe_code, reason = "loads, stores and intrinsics")]
mod codes;
mod dot;
mod isa;
#[allow(unsafe_code, reason = "loads, stores and intrinsics")]
mod lanes;
mod layer_norm;
#[allow(unsafe_code, reason = "loads without bounds checks in the inner loop")]
mod linear_f32;
#[allow(unsafe_code, reason = "loads, stores and intrinsics")]
mod linear_i8;
mod math;
#[allow(unsafe_code, reason = "an intrinsic")]
mod prefetch;
mod quantize;
mod rows;
#[allow(unsafe_code, reason = "work that is lent to other threads, and matrices that they share")]
mod team;
#[cfg(test)]
mod testing;

pub use attention::{attention, attention_bytes, attention_i16};
pub use codes::{
    BLOCK, BlockBounds, BoundWeights, CoarsePlane, CodeErrors, CodeQuery, MAX_WIDTH, QUERY_LIMIT, WIDTH_STEP,
    code_products, encode_row, scan_codes,
};
pub use dot::{dot_f32, dot_rows};
pub use isa::Isa;
#[cfg(target_arch = "x86_64")]
pub use isa::{Avx2, Avx512Vnni, AvxVnni};
#[cfg(target_arch = "aarch64")]
pub use isa::{Neon, NeonDotprod, NeonI8mm};
pub use layer_norm::LayerNorm;
pub use linear_f32::{LinearF32, pack_f32, packed_f32_len};
pub use linear_i8::{LinearI8, MAX_K, PANEL, column_sums, linear_i8, pack_i8, packed_i8_len};
pub use math::Activation;
pub use quantize::{QuantizedRows, quantize_rows};
pub use rows::{
    GROUP, GROUP_BYTES, LEVELS, RowI4, add_assign, dequantize_add, dequantize_add_i4, max_assign, normalize,
};
pub use team::{Crew, Team};
