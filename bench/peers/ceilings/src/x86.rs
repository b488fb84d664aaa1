//! The instructions that are measured, and how.

use std::arch::asm;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// How long one sample takes.
const SAMPLE: Duration = Duration::from_millis(120);

/// Something that can be repeated, and what each repetition does.
pub struct Ceiling {
    name: &'static str,
    unit: &'static str,
    work: Work,
}

enum Work {
    /// Repeats a group of instructions so many times; one repetition is so many operations.
    Arithmetic(fn(u64), u64),
    /// Reads a buffer of so many bytes.
    Reading(fn(&[u8]), usize),
}

/// What was measured, in 10⁹ of `unit`.
pub struct Measured<'a> {
    ceiling: &'a Ceiling,
    threads: usize,
    sorted: Vec<f64>,
}

impl Ceiling {
    /// The sum over `threads` threads that run at the same time, `samples` times.
    pub fn measure(&self, threads: usize, samples: usize) -> Measured<'_> {
        let mut sorted: Vec<f64> = (0..samples).map(|_| self.sample(threads)).collect();
        sorted.sort_by(f64::total_cmp);
        Measured { ceiling: self, threads, sorted }
    }

    fn sample(&self, threads: usize) -> f64 {
        let start_line = Barrier::new(threads);
        thread::scope(|scope| {
            let runners: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.run(&start_line))).collect();
            runners.into_iter().map(|runner| runner.join().expect("a measuring thread cannot panic")).sum()
        })
    }

    fn run(&self, start_line: &Barrier) -> f64 {
        match self.work {
            Work::Arithmetic(repeat, operations) => {
                const STEP: u64 = 100_000;
                start_line.wait();
                rate((STEP * operations) as f64, || repeat(STEP))
            }
            Work::Reading(read, size) => {
                // Written, so that every page is there and its own.
                let buffer = vec![1u8; size];
                let passes = ((32 << 20) / size).max(1);
                read(&buffer);
                start_line.wait();
                rate((passes * size) as f64, || (0..passes).for_each(|_| read(&buffer)))
            }
        }
    }
}

/// Does `step` for one sample and gives what was done a nanosecond.
fn rate(done_by_step: f64, mut step: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut steps = 0.0;
    while start.elapsed() < SAMPLE {
        step();
        steps += 1.0;
    }
    steps * done_by_step / start.elapsed().as_secs_f64() / 1e9
}

impl Measured<'_> {
    /// One line of JSON.
    pub fn print(&self) {
        let (name, unit, threads) = (self.ceiling.name, self.ceiling.unit, self.threads);
        let (median, min, max) =
            (self.sorted[self.sorted.len() / 2], self.sorted[0], self.sorted[self.sorted.len() - 1]);
        println!(
            r#"{{"ceiling":"{name}","threads":{threads},"unit":"{unit}","median":{median:.2},"min":{min:.2},"max":{max:.2}}}"#
        );
    }
}

/// All that this processor has.
pub fn ceilings() -> Vec<Ceiling> {
    let arithmetic =
        |name, unit, repeat, operations| Ceiling { name, unit, work: Work::Arithmetic(repeat, operations) };
    let mut found = vec![arithmetic("clock", "GHz", dependent_products as fn(u64), 30)];
    let avx512 = is_x86_feature_detected!("avx512f");
    if avx512 && is_x86_feature_detected!("avx512vnni") {
        found.push(arithmetic("int8 VPDPBUSD 512", "Gop/s", vpdpbusd_512, 12 * 64 * 2));
    } else if is_x86_feature_detected!("avxvnni") {
        found.push(arithmetic("int8 VPDPBUSD 256", "Gop/s", vpdpbusd_256, 12 * 32 * 2));
    }
    if avx512 && is_x86_feature_detected!("avx512bf16") {
        found.push(arithmetic("bf16 VDPBF16PS 512", "Gop/s", vdpbf16ps_512, 12 * 32 * 2));
    }
    if tiles::available() {
        found.push(arithmetic("tiles, int8 TDPBUSD", "Gop/s", tiles::tdpbusd, 4 * 16 * 16 * 64 * 2));
        found.push(arithmetic("tiles, bf16 TDPBF16PS", "Gop/s", tiles::tdpbf16ps, 4 * 16 * 16 * 32 * 2));
    }
    if avx512 {
        found.push(arithmetic("f32 VFMADD231PS 512", "Gop/s", vfmadd231ps_512, 12 * 16 * 2));
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        found.push(arithmetic("f32 VFMADD231PS 256", "Gop/s", vfmadd231ps_256, 12 * 8 * 2));
        found.push(arithmetic("int8 VPMADDUBSW 256", "Gop/s", vpmaddubsw_256, 12 * 32 * 2));
        let read = if avx512 { read_512 } else { read_256 };
        for (name, size) in [("read L1", 16 << 10), ("read L2", 512 << 10), ("read L3", 6 << 20), ("read DRAM", 256 << 20)] {
            found.push(Ceiling { name, unit: "GB/s", work: Work::Reading(read, size) });
        }
    }
    found
}

/// One product in three cycles, on every processor of the last ten years: the clock. (Additions of constants may be done
/// while instructions are decoded, several in a cycle.)
fn dependent_products(repetitions: u64) {
    // SAFETY: only the two named registers change.
    unsafe {
        asm!(
            "2:",
            ".rept 10",
            "imul {x}, {x}",
            ".endr",
            "dec {n}", "jnz 2b",
            n = inout(reg) repetitions => _, x = inout(reg) 3u64 => _,
            options(nostack, nomem)
        );
    }
}

/// Defines functions that repeat instructions on each of the accumulators 0 to 11 (`\i`). The operands, registers 14
/// and 15, hold `$bits` in every lane; register 12 is free.
macro_rules! twelve_chains {
    ($($name:ident: $register:literal, $bits:expr, $instructions:literal;)+) => {$(
        fn $name(repetitions: u64) {
            // SAFETY: `ceilings` lists this only where its instructions were detected; every register that changes is
            // named, and no memory is touched.
            unsafe {
                asm!(
                    "vmovd xmm14, {bits:e}",
                    concat!("vpbroadcastd ", $register, "14, xmm14"),
                    concat!("vpbroadcastd ", $register, "15, xmm14"),
                    "2:",
                    ".irp i,0,1,2,3,4,5,6,7,8,9,10,11",
                    $instructions,
                    ".endr",
                    "dec {n}",
                    "jnz 2b",
                    bits = in(reg) $bits, n = inout(reg) repetitions => _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm14") _, out("xmm15") _,
                    options(nostack, nomem)
                );
            }
        }
    )+};
}

/// Small numbers of the type, in all lanes.
const INT8: u32 = 0x0305_0305;
const BF16: u32 = 0x3f00_3f00;
const F32: u32 = 0x3f00_0000;

twelve_chains! {
    vpdpbusd_512: "zmm", INT8, "vpdpbusd zmm\\i, zmm14, zmm15";
    vpdpbusd_256: "ymm", INT8, "{{vex}} vpdpbusd ymm\\i, ymm14, ymm15";
    vdpbf16ps_512: "zmm", BF16, "vdpbf16ps zmm\\i, zmm14, zmm15";
    vfmadd231ps_512: "zmm", F32, "vfmadd231ps zmm\\i, zmm14, zmm15";
    vfmadd231ps_256: "ymm", F32, "vfmadd231ps ymm\\i, ymm14, ymm15";
    vpmaddubsw_256: "ymm", INT8, "vpmaddubsw ymm12, ymm14, ymm15\n vpmaddwd ymm12, ymm12, ymm14\n vpaddd ymm\\i, ymm\\i, ymm12";
}

/// AMX: four products of whole tiles, of sixteen rows of 64 bytes, summed apart.
mod tiles {
    use std::arch::{asm, x86_64::__cpuid_count};

    /// Whether the processor has tiles of bytes and of 16-bit floats, and Linux lets this process use them.
    pub fn available() -> bool {
        const TILES: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        if __cpuid_count(7, 0).edx & TILES != TILES || !cfg!(target_os = "linux") {
            return false;
        }
        let mut result = 158u64; // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
        // SAFETY: the call takes no pointer, and a system call changes these registers only.
        unsafe {
            asm!(
                "syscall", inout("rax") result, in("rdi") 0x1023u64, in("rsi") 18u64, out("rcx") _, out("r11") _,
                options(nostack)
            );
        }
        result == 0
    }

    /// What `ldtilecfg` reads: palette 1, eight tiles of sixteen rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    fn configuration() -> Configuration {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for tile in 0..8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
        }
        Configuration(bytes)
    }

    macro_rules! four_products {
        ($($name:ident: $instruction:literal;)+) => {$(
            pub fn $name(repetitions: u64) {
                let configuration = configuration();
                // SAFETY: `ceilings` lists this only where there are tiles, which nothing else uses; the configuration
                // is read, and no other memory.
                unsafe {
                    asm!(
                        "ldtilecfg [{configuration}]",
                        "2:",
                        concat!($instruction, " tmm0, tmm4, tmm6"),
                        concat!($instruction, " tmm1, tmm4, tmm7"),
                        concat!($instruction, " tmm2, tmm5, tmm6"),
                        concat!($instruction, " tmm3, tmm5, tmm7"),
                        "dec {n}",
                        "jnz 2b",
                        "tilerelease",
                        configuration = in(reg) &configuration, n = inout(reg) repetitions => _,
                        options(nostack, readonly)
                    );
                }
            }
        )+};
    }

    four_products! {
        tdpbusd: "tdpbusd";
        tdpbf16ps: "tdpbf16ps";
    }
}

/// Defines functions that read a buffer whole, in steps of eight registers.
macro_rules! readers {
    ($($name:ident: $register:literal, $size:literal;)+) => {$(
        fn $name(buffer: &[u8]) {
            const STEP: usize = 8 * $size;
            for chunk in buffer.chunks_exact(STEP) {
                // SAFETY: `ceilings` lists this only where the registers were detected; `chunk` is `STEP` readable
                // bytes, and only the named registers change.
                unsafe {
                    asm!(
                        ".irp i,0,1,2,3,4,5,6,7",
                        concat!("vmovdqu", $register),
                        ".endr",
                        at = in(reg) chunk.as_ptr(),
                        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                        out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                        options(nostack, readonly)
                    );
                }
            }
        }
    )+};
}

readers! {
    read_512: "32 zmm\\i, [{at} + \\i*64]", 64;
    read_256: " ymm\\i, [{at} + \\i*32]", 32;
}
