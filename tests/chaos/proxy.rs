//! A proxy between one client and the servers, which loses, delays and repeats what it is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::fault::{Kind, Route, Tally};
use crate::history::{Call, History};
use crate::http::{self, Message};

/// Where the servers listen now; none while one is down.
pub type Upstreams = Arc<Mutex<Vec<Option<SocketAddr>>>>;

/// What to do to the next request of a route.
#[derive(Clone, Debug)]
struct Armed {
    kind: Kind,
    route: Route,
    delay: Duration,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    pub name: String,
    pub address: SocketAddr,
    /// The server asked first.
    first: usize,
    upstreams: Upstreams,
    history: Arc<History>,
    tally: Arc<Tally>,
    armed: Arc<Mutex<Vec<Armed>>>,
    cut_until: Arc<Mutex<Option<Instant>>>,
    /// Requests a server is busy with, by server.
    busy: Arc<[AtomicUsize; 2]>,
}

impl Proxy {
    pub async fn start(
        name: String,
        first: usize,
        upstreams: Upstreams,
        history: Arc<History>,
        tally: Arc<Tally>,
        busy: Arc<[AtomicUsize; 2]>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self {
            name,
            address: listener.local_addr()?,
            first,
            upstreams,
            history,
            tally,
            armed: Arc::default(),
            cut_until: Arc::default(),
            busy,
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = accepting.clone();
                // A connection that breaks is the client's to notice.
                tokio::spawn(async move { proxy.serve(stream).await.ok() });
            }
        });
        Ok(proxy)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does `kind` to the next request of a route.
    pub fn arm(&self, kind: Kind, route: Route, delay: Duration) {
        lock(&self.armed).push(Armed { kind, route, delay });
    }

    /// Forgets what was armed and met nothing.
    pub fn disarm(&self) {
        lock(&self.armed).clear();
    }

    /// Lets nothing through in either direction for a while.
    pub fn cut(&self, length: Duration) {
        *lock(&self.cut_until) = Some(Instant::now() + length);
    }

    fn is_cut(&self) -> bool {
        let is_cut = lock(&self.cut_until).is_some_and(|until| Instant::now() < until);
        if is_cut {
            self.tally.hit(Kind::Partition, "requests");
        }
        is_cut
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        while let Some(request) = http::read(&mut reader, true).await? {
            let Some(response) = self.handle(&request).await else {
                return Ok(());
            };
            writer.write_all(&response.raw).await?;
        }
        Ok(())
    }

    /// The answer to pass on; none closes the connection.
    async fn handle(&self, request: &Message) -> Option<Message> {
        if self.is_cut() {
            return None;
        }
        let route = Route::of(request.method(), request.path());
        let armed = {
            let mut armed = lock(&self.armed);
            let idx = armed.iter().position(|armed| Some(armed.route) == route);
            idx.map(|idx| armed.remove(idx))
        };
        let Some(Armed { kind, route, delay }) = armed else {
            return self.forward(request, None, true).await;
        };
        self.tally.hit(kind, route.name());
        let fault = Some(kind.name());
        match kind {
            Kind::DropRequest => None,
            Kind::DropResponse => {
                self.forward(request, fault, false).await;
                None
            }
            Kind::DelayRequest => {
                tokio::time::sleep(delay).await;
                self.forward(request, fault, true).await
            }
            Kind::DelayResponse => {
                let response = self.forward(request, fault, true).await;
                tokio::time::sleep(delay).await;
                response.filter(|_| !self.is_cut())
            }
            Kind::Duplicate => {
                let first = self.forward(request, fault, true);
                let (first, _) = tokio::join!(first, self.forward(request, fault, false));
                first
            }
            Kind::ReplayLate => {
                let response = self.forward(request, None, true).await;
                let (proxy, request) = (self.clone(), request.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    proxy.forward(&request, fault, false).await;
                });
                response
            }
            _ => unreachable!("{} is no fault of the network", kind.name()),
        }
    }

    /// Sends a request to a server that is up, and records what comes of it.
    async fn forward(
        &self,
        request: &Message,
        fault: Option<&'static str>,
        deliver: bool,
    ) -> Option<Message> {
        let sent_us = self.history.now_us();
        let response = self.exchange(request).await.ok();
        let deliver = deliver && response.is_some() && !self.is_cut();
        self.history.record(Call {
            sent_us,
            answered_us: self.history.now_us(),
            via: self.name.clone(),
            method: request.method().to_owned(),
            path: request.path().to_owned(),
            key: request.header("idempotency-key").map(str::to_owned),
            request: request.json(),
            status: response.as_ref().and_then(Message::status),
            response: response.as_ref().map(Message::json).unwrap_or_default(),
            delivered: deliver,
            fault,
        });
        response.filter(|_| deliver)
    }

    async fn exchange(&self, request: &Message) -> io::Result<Message> {
        let upstreams = lock(&self.upstreams).clone();
        let n = upstreams.len();
        let mut found = Err(io::ErrorKind::NotConnected.into());
        let order = (0..n).map(|offset| (self.first + offset) % n);
        for (idx, address) in order.filter_map(|idx| Some((idx, upstreams[idx]?))) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    found = Ok((idx, stream));
                    break;
                }
                Err(error) => found = Err(error),
            }
        }
        let (idx, mut stream) = found?;
        let _busy = Busy::new(&self.busy[idx]);
        stream.write_all(&request.raw).await?;
        let mut reader = BufReader::new(stream);
        let response = http::read(&mut reader, request.method() != "HEAD").await?;
        response.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
