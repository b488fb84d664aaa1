//! Vectors of the queries that were asked last: readers turn pages and come back, and many ask the same.
//!
//! They are kept in memory only, and only so many: what readers ask is written nowhere.

use hashlink::LruCache;
use libellus_encoder::{Encoded, Encoder};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Queries that are kept unless told otherwise: about 2 MB.
pub(crate) const KEPT: usize = 1024;

/// Longer queries are texts that are hardly asked twice.
const LONGEST_BYTES: usize = 256;

/// How often something was found among what is kept, and how often not.
#[derive(Debug, Default)]
pub struct CacheCounts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl CacheCounts {
    /// Counts a look.
    pub fn count(&self, is_found: bool) {
        let counter = if is_found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that it was found, and that it was not.
    pub fn get(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

/// The vectors that are kept.
pub(crate) struct QueryVectors {
    /// By the model, as it lies in memory for as long as the library does, and the query.
    kept: Mutex<LruCache<(usize, String), Encoded>>,
    keeps_any: bool,
    /// Of looks for queries that are kept at all.
    pub counts: CacheCounts,
}

impl QueryVectors {
    /// Room for so many queries; 0 keeps none.
    pub fn new(most: usize) -> Self {
        Self { kept: Mutex::new(LruCache::new(most)), keeps_any: most > 0, counts: CacheCounts::default() }
    }

    /// The query's vector as the model makes it.
    pub fn encode(&self, encoder: &Arc<Encoder>, query: &str) -> Encoded {
        if !self.keeps_any || query.len() > LONGEST_BYTES {
            return encoder.encode(query);
        }
        let key = (Arc::as_ptr(encoder) as usize, query.to_owned());
        // A panic elsewhere leaves the map whole.
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept().get(&key).cloned();
        self.counts.count(found.is_some());
        // Two that ask the same at once both compute it: nobody waits for another.
        found.unwrap_or_else(|| {
            let encoded = encoder.encode(query);
            kept().insert(key, encoded.clone());
            encoded
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_again_is_the_same_to_the_bit_and_the_oldest_goes_first() {
        let encoder = Arc::new(Encoder::builtin());
        let vectors = QueryVectors::new(2);
        for query in ["whales", "the sea", "whales", "ships", "whales", "the sea"] {
            assert_eq!(vectors.encode(&encoder, query).vector, encoder.encode(query).vector, "{query}");
        }
        assert_eq!(vectors.counts.get(), (2, 4), "`the sea` had made way for `ships`");
        let long = "whale ".repeat(100);
        assert_eq!(vectors.encode(&encoder, &long).vector, encoder.encode(&long).vector);
        assert_eq!(vectors.counts.get(), (2, 4), "long texts are not looked for");
        let none = QueryVectors::new(0);
        none.encode(&encoder, "whales");
        none.encode(&encoder, "whales");
        assert_eq!(none.counts.get(), (0, 0));
    }
}
