//! What the service counts, in the text format of Prometheus.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats>. Nothing that is counted tells who asked, or what: routes
//! are named as the router names them, without what stands in an address.

use libellus_search::Timings;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of what is counted together, in seconds: from a keyword search to a large request of texts to embed.
const BOUNDS_S: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The stages of a search, as they are named here and in `Server-Timing`, with the milliseconds that each took.
pub(crate) fn stages(timings: &Timings) -> [(&'static str, f64); 4] {
    let Timings { encode_ms, scan_ms, fuse_ms, fetch_ms } = *timings;
    [("encode", encode_ms), ("scan", scan_ms), ("fuse", fuse_ms), ("fetch", fetch_ms)]
}

/// What is counted while the service runs.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    routes: BTreeMap<String, Route>,
    stages: BTreeMap<&'static str, Histogram>,
    embedded_texts: u64,
    embedded_tokens: u64,
}

#[derive(Default)]
struct Route {
    /// By method and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    durations: Histogram,
}

#[derive(Default)]
struct Histogram {
    /// For each bound those below it and above the one before, and at last those above all.
    counts: [u64; BOUNDS_S.len() + 1],
    sum: f64,
}

/// What is measured at the moment that someone looks.
#[derive(Default)]
pub(crate) struct Gauges {
    /// The model's name and fingerprint.
    pub(crate) model: (String, String),
    /// Requests that are computed, those that wait, and how many both may be.
    pub(crate) queue: (usize, usize, usize),
    /// For each cache how often something was at hand, and how often not.
    pub(crate) caches: [(&'static str, (u64, u64)); 2],
    /// Vectors, their books and the bytes of memory of the index of meanings, if there is one.
    pub(crate) index: Option<(usize, usize, usize)>,
    /// Books, passages and passages with an embedding, if the catalogue can be asked.
    pub(crate) catalogue: Option<(u64, u64, u64)>,
}

impl Histogram {
    fn count(&mut self, seconds: f64) {
        let place = BOUNDS_S.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS_S.len());
        self.counts[place] += 1;
        self.sum += seconds;
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub(crate) fn request(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts();
        if !counts.routes.contains_key(route) {
            counts.routes.insert(route.to_owned(), Route::default());
        }
        let Some(route) = counts.routes.get_mut(route) else { return };
        *route.requests.entry((method, status)).or_default() += 1;
        route.durations.count(took.as_secs_f64());
    }

    /// Counts how long the stages of a search took.
    pub(crate) fn search(&self, timings: &Timings) {
        let mut counts = self.counts();
        for (stage, ms) in stages(timings) {
            counts.stages.entry(stage).or_default().count(ms / 1000.0);
        }
    }

    /// Counts texts that were embedded.
    pub(crate) fn embedded(&self, texts: usize, tokens: usize) {
        let mut counts = self.counts();
        counts.embedded_texts += texts as u64;
        counts.embedded_tokens += tokens as u64;
    }

    /// A panic elsewhere costs no count.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything as text.
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let mut text = Text(String::new());
        let (model, fingerprint) = &gauges.model;
        text.family("libellus_build_info", "gauge", "What runs.");
        let version = env!("CARGO_PKG_VERSION");
        text.sample("libellus_build_info", &[("version", version), ("model", model), ("fingerprint", fingerprint)], 1);

        let counts = self.counts();
        text.family("libellus_requests_total", "counter", "Requests answered.");
        for (name, route) in &counts.routes {
            for ((method, status), count) in &route.requests {
                let status = status.to_string();
                let labels = [("route", name.as_str()), ("method", method), ("status", &status)];
                text.sample("libellus_requests_total", &labels, count);
            }
        }
        text.family("libellus_request_seconds", "histogram", "Time from a request's head to its reply's.");
        for (name, route) in &counts.routes {
            text.histogram("libellus_request_seconds", ("route", name), &route.durations);
        }
        text.family("libellus_search_stage_seconds", "histogram", "Time that the stages of searches took.");
        for (stage, histogram) in &counts.stages {
            text.histogram("libellus_search_stage_seconds", ("stage", stage), histogram);
        }
        text.single("libellus_embedded_texts_total", "counter", "Texts embedded for clients.", counts.embedded_texts);
        text.single("libellus_embedded_tokens_total", "counter", "Tokens of these texts.", counts.embedded_tokens);
        drop(counts);

        let (running, waiting, capacity) = gauges.queue;
        text.family("libellus_queue_requests", "gauge", "Requests that are computed or wait for it.");
        text.sample("libellus_queue_requests", &[("state", "running")], running);
        text.sample("libellus_queue_requests", &[("state", "waiting")], waiting);
        text.single("libellus_queue_capacity", "gauge", "How many both may be.", capacity);
        text.family("libellus_cache_requests_total", "counter", "Looks for what may be at hand.");
        for (cache, (hits, misses)) in gauges.caches {
            text.sample("libellus_cache_requests_total", &[("cache", cache), ("result", "hit")], hits);
            text.sample("libellus_cache_requests_total", &[("cache", cache), ("result", "miss")], misses);
        }
        if let Some((vectors, books, bytes)) = gauges.index {
            text.single("libellus_index_vectors", "gauge", "Vectors in the index of meanings.", vectors);
            text.single("libellus_index_books", "gauge", "Books that have one.", books);
            text.single("libellus_index_bytes", "gauge", "Memory of the index of meanings.", bytes);
        }
        text.single(
            "libellus_catalogue_up",
            "gauge",
            "Whether the catalogue can be asked.",
            u8::from(gauges.catalogue.is_some()),
        );
        if let Some((books, passages, embedded)) = gauges.catalogue {
            text.single("libellus_catalogue_books", "gauge", "Books in the catalogue.", books);
            text.single("libellus_catalogue_passages", "gauge", "Passages of their texts.", passages);
            text.single("libellus_catalogue_embedded_passages", "gauge", "Passages with a fresh embedding.", embedded);
        }
        text.0
    }
}

/// Text in the format. Writing to a string does not fail.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let before = if i == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }

    fn histogram(&mut self, name: &str, label: (&str, &str), histogram: &Histogram) {
        let bounds = BOUNDS_S.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut total = 0;
        for (bound, count) in bounds.zip(histogram.counts) {
            total += count;
            self.sample(&format!("{name}_bucket"), &[label, ("le", &bound)], total);
        }
        self.sample(&format!("{name}_sum"), &[label], histogram.sum);
        self.sample(&format!("{name}_count"), &[label], total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_all_below_their_bound() {
        let metrics = Metrics::default();
        for ms in [0.5, 3.0, 20_000.0] {
            metrics.request("/x", "GET", 200, Duration::from_secs_f64(ms / 1000.0));
        }
        let text = metrics.text(&Gauges::default());
        for line in [
            "libellus_requests_total{route=\"/x\",method=\"GET\",status=\"200\"} 3\n",
            "libellus_request_seconds_bucket{route=\"/x\",le=\"0.0005\"} 1\n",
            "libellus_request_seconds_bucket{route=\"/x\",le=\"0.0025\"} 1\n",
            "libellus_request_seconds_bucket{route=\"/x\",le=\"0.005\"} 2\n",
            "libellus_request_seconds_bucket{route=\"/x\",le=\"10\"} 2\n",
            "libellus_request_seconds_bucket{route=\"/x\",le=\"+Inf\"} 3\n",
            "libellus_request_seconds_sum{route=\"/x\"} 20.0035\n",
            "libellus_request_seconds_count{route=\"/x\"} 3\n",
            "libellus_catalogue_up 0\n",
        ] {
            assert!(text.contains(line), "{line} is missing from:\n{text}");
        }
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let gauges = Gauges { model: ("a \"b\" \\ c\nd".to_owned(), String::new()), ..Gauges::default() };
        let text = Metrics::default().text(&gauges);
        assert!(text.contains("model=\"a \\\"b\\\" \\\\ c\\nd\""), "{text}");
    }
}
