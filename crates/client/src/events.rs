//! The event stream, opened again where it broke.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use cultivar_spec::wire::Event;
use futures::{Stream, StreamExt};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderName, HeaderValue};

use crate::http::{Call, Repeat, broken};
use crate::sse::Parser;
use crate::{Backoff, Client, Error};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The server says something at least every 15 s.
const IDLE: Duration = Duration::from_secs(45);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// An event and where the stream stands after it.
#[derive(Clone, Debug)]
pub struct StreamedEvent {
    /// Resumes the stream after this event. Progress has none: only its latest counts.
    pub id: Option<String>,
    pub event: Event,
}

impl Client {
    /// What happens, as it happens; with `after`, everything since the event of that id.
    ///
    /// The stream resumes by itself where the connection breaks, for as long as it is polled. It ends
    /// after an error that trying again does not mend.
    ///
    /// # Errors
    /// The stream cannot be opened a first time.
    pub async fn events(
        &self,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<StreamedEvent, Error>> + Send + use<>, Error> {
        let mut feed = Feed {
            client: self.clone(),
            last_id: after,
            body: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            backoff: Backoff::new(MAX_WAIT),
            is_over: false,
        };
        feed.open().await?;
        Ok(futures::stream::unfold(feed, |mut feed| async move {
            let item = feed.next().await?;
            feed.is_over = item.is_err();
            Some((item, feed))
        }))
    }
}

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

struct Feed {
    client: Client,
    last_id: Option<String>,
    /// None while the connection is broken.
    body: Option<Body>,
    parser: Parser,
    ready: VecDeque<StreamedEvent>,
    backoff: Backoff,
    is_over: bool,
}

impl Feed {
    async fn next(&mut self) -> Option<Result<StreamedEvent, Error>> {
        if self.is_over {
            return None;
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                if event.id.is_some() {
                    self.last_id.clone_from(&event.id);
                }
                return Some(Ok(event));
            }
            if let Err(error) = self.advance().await {
                if !error.is_transient() {
                    return Some(Err(error));
                }
                tracing::debug!(%error, "the event stream broke");
                self.body = None;
                let wait = self.backoff.next(&mut rand::rng());
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Opens the stream where it is not, and reads some of it.
    async fn advance(&mut self) -> Result<(), Error> {
        let Some(body) = &mut self.body else {
            return self.open().await;
        };
        let ended = |reason: &str| Error::Broken {
            request: "GET /api/v1/events".into(),
            reason: reason.into(),
        };
        let chunk = match tokio::time::timeout(IDLE, body.next()).await {
            Err(_) => return Err(ended("it went silent")),
            Ok(None) => return Err(ended("it ended")),
            Ok(Some(Err(error))) => return Err(broken(&self.call(), &error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        self.backoff.reset();
        for frame in self.parser.push(&chunk) {
            match serde_json::from_str(&frame.data) {
                Ok(event) => self.ready.push_back(StreamedEvent {
                    id: frame.id,
                    event,
                }),
                // A newer server may tell of things we do not know.
                Err(error) => tracing::debug!(%error, data = frame.data, "an unknown event"),
            }
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<(), Error> {
        let call = self.call();
        let client = &self.client;
        let attempt = || client.send(&call, reqwest::Body::default());
        let response = client.repeat(&call, attempt).await?;
        self.parser = Parser::default();
        self.body = Some(Box::pin(response.bytes_stream()));
        Ok(())
    }

    fn call(&self) -> Call {
        let mut call = self.client.call(Method::GET, &["events"], Repeat::Harmless);
        call.timeout = None;
        call.headers
            .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = &self.last_id
            && let Ok(id) = HeaderValue::from_str(id)
        {
            call.headers.insert(LAST_EVENT_ID, id);
        }
        call
    }
}
