//! What this machine can do at most, so that every figure has its fraction of the limit.
//!
//! Arithmetic: twelve independent chains of one instruction, which hide its latency; operands stay in registers, so
//! nothing but the processor's ports can be the limit. Reading: a buffer that fits a level of the memory, summed.
//! Each is run on one and on two threads, and printed as a line of JSON with the median, least and most of several
//! short samples. `--quick` takes fewer. Only x86-64 is known; elsewhere nothing is printed.

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
fn main() {
    let samples = if std::env::args().any(|argument| argument == "--quick") { 3 } else { 9 };
    let ceilings = x86::ceilings();
    for threads in [1, 2] {
        for ceiling in &ceilings {
            ceiling.measure(threads, samples).print();
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("ceilings: only x86-64 is known; figures will have no fraction of a limit");
}
