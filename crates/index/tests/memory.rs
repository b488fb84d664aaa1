//! What an index takes whose vectors lie in a file. Alone in its process, so that nothing else is counted.

use libellus_index::{VectorIndex, VectorIndexFile};

const DIM: usize = 384;
/// What a row may take: 250 MB at a million.
const BYTES_PER_ROW: usize = 250;
/// What does not grow: directions, buffers, the allocator's own.
const FIXED_BYTES: usize = 6_000_000;

#[test]
fn a_row_takes_a_sixth_of_its_vector() {
    if !cfg!(target_os = "linux") {
        println!("skipped: memory is read from /proc");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for rows in [10_000_u32, 100_000] {
        let path = folder.path().join(rows.to_string());
        let before = own_bytes();
        let mut file = VectorIndexFile::create(&path, DIM).expect("can be written");
        let mut vector = [0.0_f32; DIM];
        let mut state = 1_u32;
        for row in 0..rows {
            for (i, x) in vector.iter_mut().enumerate() {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                *x = ((row % 50) as f32 * i as f32).sin() + (state >> 8) as f32 / (1 << 24) as f32;
            }
            file.push(row, &vector).expect("a good row");
        }
        let most = rows as usize * BYTES_PER_ROW + FIXED_BYTES;
        let made = file.finish("key", &[], 2).expect("written");
        let while_made = own_bytes().saturating_sub(before);
        assert!(made.bytes() <= while_made, "{} are counted, {while_made} taken", made.bytes());
        drop(made);
        let (opened, _) = VectorIndex::open(&path, "key").expect("whole");
        let taken = own_bytes().saturating_sub(before);
        println!("{rows} rows: {taken} bytes opened, {while_made} made; counted {}", opened.bytes());
        assert_eq!(opened.search(&vector, 10).expect("found").len(), 10);
        assert!(opened.bytes() <= most && taken <= most, "{rows} rows take {taken}");
    }
}

/// Memory of the process's own, without pages of files.
fn own_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux has it");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}
