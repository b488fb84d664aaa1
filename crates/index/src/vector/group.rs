//! The rows of one group, for those who ask what is like it.

use super::VectorIndex;
use crate::Error;

impl VectorIndex {
    /// The rows of a group, end to end; none if it has none.
    ///
    /// # Errors
    /// Those of reading rows that lie in a file.
    pub fn vectors_of(&self, group: u32) -> Result<Vec<f32>, Error> {
        // A group that was pushed again has its rows in the last segment that knows it.
        for segment in self.segments.iter().rev() {
            let rows = self.rows_of(segment, group);
            if !rows.is_empty() && !self.dead.contains(rows.start as u32) {
                let mut vectors = Vec::new();
                let range = rows.start - segment.first..rows.end - segment.first;
                segment.rows.read(self.dim, range, &mut vectors)?;
                return Ok(vectors);
            }
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_rows_that_it_got_last() {
        let mut index = VectorIndex::with_capacity(2, 3);
        for (group, vector) in [(1, [1.0, 0.0]), (1, [0.0, 1.0]), (4, [0.6, 0.8])] {
            index.push(group, &vector).expect("a good row");
        }
        assert_eq!(index.vectors_of(1).expect("in memory"), [1.0, 0.0, 0.0, 1.0]);
        index.seal(1).expect("in memory");
        index.push(1, &[-1.0, 0.0]).expect("a good row");
        index.remove(4);
        assert_eq!(index.vectors_of(1).expect("in memory"), [-1.0, 0.0]);
        assert!(
            index.vectors_of(4).expect("in memory").is_empty() && index.vectors_of(9).expect("in memory").is_empty()
        );
    }
}
