//! What every route shares.

use crate::admission::Admission;
use crate::answers::{Answered, Answers};
use crate::client::RateLimiter;
use crate::imports::Imports;
use crate::metrics::Metrics;
use crate::routes::assets::Style;
use crate::{
    AccessConfig, AllowedOrigins, Crawlers, Error, Log, Logo, PublicUrl, Reading, ServerConfig, TrustedProxies,
};
use libellus_search::{Embedder, EmbeddingInput, Encoded, Library, Overlong, SearchRequest};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Texts that are embedded in one turn: others who wait have theirs in between.
const EMBEDDED_AT_ONCE: usize = 128;

/// What every route shares; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    library: Arc<Library>,
    admission: Admission,
    embedding_threads: usize,
    metrics: Arc<Metrics>,
    log: Log,
    site_name: Arc<str>,
    style: Arc<Style>,
    logo: Option<Arc<Logo>>,
    public_url: Option<PublicUrl>,
    crawlers: Crawlers,
    /// The catalogue's revision, and since when it has been seen.
    seen: Arc<Mutex<Option<(i64, SystemTime)>>>,
    allowed_origins: AllowedOrigins,
    access: Arc<AccessConfig>,
    rate_limiter: Option<Arc<RateLimiter>>,
    trusted_proxies: TrustedProxies,
    most_upload_bytes: u64,
    imports: Arc<Imports>,
    answers: Arc<Answers>,
    written: Option<Sender<()>>,
}

impl AppState {
    /// Joins a library and the settings of the service.
    pub fn new(library: Arc<Library>, config: &ServerConfig) -> Self {
        Self {
            library,
            admission: Admission::new(config.concurrent_searches, config.queued_searches, config.queue_wait),
            embedding_threads: config.embedding_threads.max(1),
            metrics: Arc::default(),
            log: config.log,
            site_name: config.site_name.as_str().into(),
            style: Arc::new(Style::new(config.accent)),
            logo: config.logo.clone().map(Arc::new),
            public_url: config.public_url.clone(),
            crawlers: if config.access.reading == Reading::Closed { Crawlers::None } else { config.crawlers },
            seen: Arc::default(),
            allowed_origins: config.allowed_origins.clone(),
            access: Arc::new(config.access.clone()),
            rate_limiter: config.rate_limit.map(|limit| Arc::new(RateLimiter::new(limit))),
            trusted_proxies: config.trusted_proxies.clone(),
            most_upload_bytes: config.most_upload_bytes,
            imports: Arc::new(Imports::new()),
            answers: Arc::new(Answers::new(config.answer_bytes)),
            written: config.written.clone(),
        }
    }

    /// The sites whose pages may read the API.
    pub(crate) fn allowed_origins(&self) -> AllowedOrigins {
        self.allowed_origins.clone()
    }

    /// Who may read and write.
    pub(crate) fn access(&self) -> &AccessConfig {
        &self.access
    }

    /// How often clients may ask, if that is limited.
    pub(crate) fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.rate_limiter.as_deref()
    }

    /// Who is believed about whom a request is from.
    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted_proxies
    }

    /// The largest upload.
    pub(crate) fn most_upload_bytes(&self) -> u64 {
        self.most_upload_bytes
    }

    /// The imports over HTTP.
    pub(crate) fn imports(&self) -> &Imports {
        &self.imports
    }

    /// The library, for what outlasts its request.
    pub(crate) fn library(&self) -> Arc<Library> {
        Arc::clone(&self.library)
    }

    /// Forgets the answers of before, and tells whoever embeds that books were written. Nobody may be there any more, when the service ends.
    pub(crate) fn note_written(&self) {
        self.answers.note_write();
        if let Some(written) = &self.written {
            let _ = written.send(());
        }
    }

    /// What the page is called.
    pub(crate) fn site_name(&self) -> &str {
        &self.site_name
    }

    /// The style sheet.
    pub(crate) fn style(&self) -> &Style {
        &self.style
    }

    /// A picture beside the name, instead of ours.
    pub(crate) fn logo(&self) -> Option<&Logo> {
        self.logo.as_deref()
    }

    /// The address that readers know the service by, if it was said.
    pub(crate) fn public_url(&self) -> Option<&PublicUrl> {
        self.public_url.as_ref()
    }

    /// What crawlers may read.
    pub(crate) fn crawlers(&self) -> Crawlers {
        self.crawlers
    }

    /// Since when the catalogue is known to be as it is: feeds have to say when they changed, and books do not.
    pub(crate) async fn changed(&self) -> Result<SystemTime, Error> {
        let revision = self.look_up(|library| Ok(library.catalogue().revision()?)).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, since) = seen.take().filter(|(known, _)| *known == revision).unwrap_or((revision, SystemTime::now()));
        *seen = Some((revision, since));
        Ok(since)
    }

    /// The name of the model that answers.
    pub(crate) fn model(&self) -> String {
        self.library.answering().info().name.clone()
    }

    /// Computes an answer, when its turn comes.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&Library) -> Result<T, libellus_search::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let library = Arc::clone(&self.library);
        Ok(self.admission.run(move || answer(&library)).await??)
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is logged, and how.
    pub(crate) fn log(&self) -> Log {
        self.log
    }

    /// Answers a question: at once if the answer is at hand, else when its turn comes.
    pub(crate) async fn search(&self, request: SearchRequest) -> Result<Answered, Error> {
        let generation = self.library.generation().map(|of_library| self.answers.generation(of_library));
        if let Some(answered) = generation.and_then(|generation| self.answers.get(generation, &request)) {
            return Ok(answered);
        }
        let asked = request.clone();
        let response = self.answer(move |library| library.search(&asked)).await?;
        self.metrics.search(&response.timings);
        let found = Answered::found(response)?;
        if let Some(generation) = generation {
            self.answers.keep(generation, request, &found.answer);
        }
        Ok(found)
    }

    /// How often answers, and vectors of queries, were at hand, and how often not.
    pub(crate) fn cache_counts(&self) -> [(&'static str, (u64, u64)); 2] {
        [("answers", self.answers.counts.get()), ("query_vectors", self.library.query_vector_counts().get())]
    }

    /// Requests that are computed, those that wait, and how many both may be.
    pub(crate) fn queue(&self) -> (usize, usize, usize) {
        let (inside, running) = self.admission.inside();
        (running, inside.saturating_sub(running), self.admission.capacity())
    }

    /// Vectors, their books and the bytes of memory of the index of meanings, if it has been made.
    pub(crate) fn index_size(&self) -> Option<(usize, usize, usize)> {
        self.library.index_size()
    }

    /// The model that embeds texts for other programs.
    pub(crate) fn embedder(&self) -> Embedder {
        self.library.embedder(self.embedding_threads)
    }

    /// How many requests may be computed or waiting.
    pub(crate) fn places(&self) -> usize {
        self.admission.capacity()
    }

    /// Embeds texts, by turns with what else is to be computed.
    pub(crate) async fn embed(
        &self,
        embedder: Embedder,
        inputs: Vec<EmbeddingInput>,
        overlong: Overlong,
        is_unscaled: bool,
    ) -> Result<Vec<Encoded>, Error> {
        let mut place = self.admission.enter()?;
        let mut encoded = Vec::with_capacity(inputs.len());
        let mut inputs = inputs.into_iter();
        loop {
            let part: Vec<EmbeddingInput> = inputs.by_ref().take(EMBEDDED_AT_ONCE).collect();
            if part.is_empty() {
                return Ok(encoded);
            }
            let (embedder, first) = (embedder.clone(), encoded.len());
            let part = place.run(move || embedder.embed(&part, first, overlong, is_unscaled)).await??;
            self.metrics.embedded(part.len(), part.iter().map(|encoded| encoded.tokens.used).sum());
            encoded.extend(part);
        }
    }

    /// Computes what needs no library, when its turn comes.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.admission.run(work).await
    }

    /// The fields that books are filtered and counted by.
    pub(crate) fn facets(&self) -> Vec<String> {
        self.library.facets().map(str::to_owned).collect()
    }

    /// Those of them that readers narrow a search down by: names of authors are too many.
    pub(crate) fn reader_facets(&self) -> Vec<String> {
        self.facets().into_iter().filter(|field| field != "author").collect()
    }

    /// Runs a short look-up, which reads the disk but computes nothing, beside the searches.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        look_up: impl FnOnce(&Library) -> Result<T, libellus_search::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let library = Arc::clone(&self.library);
        let found = tokio::task::spawn_blocking(move || look_up(&library)).await;
        Ok(found.map_err(Error::internal)??)
    }
}
