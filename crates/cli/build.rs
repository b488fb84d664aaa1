//! Compresses the sample catalogue, which is then a third of its size in the executable.

fn main() {
    #[cfg(feature = "sample")]
    compress_sample();
}

#[cfg(feature = "sample")]
fn compress_sample() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::path::PathBuf;
    use std::{env, fs};

    const SAMPLE: &str = "../../samples/books.jsonl";
    println!("cargo:rerun-if-changed={SAMPLE}");
    let books = fs::read(SAMPLE).expect("the sample is in the repository");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&books).expect("memory can be written");
    let compressed = encoder.finish().expect("memory can be written");
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("books.jsonl.gz"), compressed).expect("cargo's folder is writable");
}
