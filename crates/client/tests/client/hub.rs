//! The Hugging Face hub's side is scripted: redirects, ranges, cut connections, wrong hashes.

use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cultivar_client::{Hub, HubError};
use cultivar_spec::Sha256Digest;
use futures::{StreamExt, stream};

use crate::server::{Seen, Server};

const REPO: &str = "timm/resnet18.a1_in1k";
const FILE: &str = "model.safetensors";
const RESOLVE: &str = "/timm/resnet18.a1_in1k/resolve/main/model.safetensors";

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn hub(server: &Server, cache: &Path) -> Hub {
    let hub = Hub::new(&server.url(), cache).expect("an address");
    hub.with_patience(Duration::from_secs(3))
}

/// The answer to a question about a file: where it is, and its hash.
fn pointer(to: &str, sha256: Sha256Digest) -> Response {
    let headers = [
        ("location", to.to_owned()),
        ("x-linked-etag", format!("\"{sha256}\"")),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// The bytes that a request asks for, as a server that knows ranges gives them.
fn bytes_of(seen: &Seen, content: &[u8]) -> Response {
    let start = seen.header("range").map_or(0, |range| {
        let start = range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'));
        start.expect("an open range").parse().expect("a number")
    });
    if start >= content.len() {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let body = content[start..].to_vec();
    match start {
        0 => body.into_response(),
        _ => {
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            (
                StatusCode::PARTIAL_CONTENT,
                [("content-range", range)],
                body,
            )
                .into_response()
        }
    }
}

/// A hub that has the file, whose bytes lie elsewhere and come as `download` says.
async fn serving(
    sha256: Sha256Digest,
    download: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
) -> Server {
    Server::start(move |seen, n| match seen.uri.path() {
        RESOLVE => pointer("/cdn/blob?signature=1", sha256),
        "/cdn/blob" => download(seen, n),
        _ => StatusCode::NOT_FOUND.into_response(),
    })
    .await
}

fn n_downloads(server: &Server) -> usize {
    let seen = server.seen();
    seen.iter()
        .filter(|seen| seen.uri.path() == "/cdn/blob")
        .count()
}

#[tokio::test]
async fn a_file_is_downloaded_once_and_then_known_offline() {
    let sha256 = Sha256Digest::of(&content());
    let server = serving(sha256, |seen, _| bytes_of(seen, &content())).await;
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&server, folder.path());

    let first = hub.file(REPO, FILE).await.unwrap();
    assert_eq!(first.sha256, sha256);
    assert_eq!(std::fs::read(&first.path).unwrap(), content());
    assert_eq!(hub.file(REPO, FILE).await.unwrap(), first);
    assert_eq!(n_downloads(&server), 1);

    let n_asked = server.seen().len();
    let offline = |name: &str| match name {
        "HF_ENDPOINT" => Some(server.url()),
        "HF_HUB_OFFLINE" => Some("1".into()),
        _ => None,
    };
    let offline = Hub::from_env(folder.path(), offline).unwrap();
    assert_eq!(offline.file(REPO, FILE).await.unwrap(), first);
    let error = offline
        .file("timm/resnet34.a1_in1k", FILE)
        .await
        .unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert_eq!(
        server.seen().len(),
        n_asked,
        "offline means that nobody is asked"
    );

    // A damaged cache is not handed out.
    std::fs::write(&first.path, "something else").unwrap();
    assert!(offline.file(REPO, FILE).await.is_err());
    assert_eq!(hub.file(REPO, FILE).await.unwrap(), first);
    assert_eq!(std::fs::read(&first.path).unwrap(), content());
}

#[tokio::test]
async fn the_endpoint_is_the_environments() {
    let sha256 = Sha256Digest::of(&content());
    let server = serving(sha256, |seen, _| bytes_of(seen, &content())).await;
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let variable = |name: &str| (name == "HF_ENDPOINT").then(|| url.clone());
    let hub = Hub::from_env(folder.path(), variable).unwrap();
    assert_eq!(hub.file(REPO, FILE).await.unwrap().sha256, sha256);
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_ended() {
    let sha256 = Sha256Digest::of(&content());
    let server = serving(sha256, |seen, n| {
        // The question, the download, and where that was sent on to.
        if n > 2 {
            return bytes_of(seen, &content());
        }
        let half = Bytes::from(content()[..150_000].to_vec());
        // Late enough for what came before it to have left.
        let cut = stream::once(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Err(std::io::Error::other("cut"))
        });
        Body::from_stream(stream::iter([Ok(half)]).chain(cut)).into_response()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = hub(&server, folder.path()).file(REPO, FILE).await.unwrap();
    assert_eq!(std::fs::read(&file.path).unwrap(), content());
    let seen = server.seen();
    let ranges: Vec<_> = seen
        .iter()
        .filter(|seen| seen.uri.path() == "/cdn/blob")
        .map(|seen| seen.header("range"))
        .collect();
    assert_eq!(ranges, [None, Some("bytes=150000-")]);
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_all_again() {
    let sha256 = Sha256Digest::of(&content());
    let server = serving(sha256, |_, _| content().into_response()).await;
    let folder = tempfile::tempdir().unwrap();
    let part = folder
        .path()
        .join("contents")
        .join(format!("{sha256}.part"));
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::fs::write(&part, &content()[..1000]).unwrap();
    let file = hub(&server, folder.path()).file(REPO, FILE).await.unwrap();
    assert_eq!(std::fs::read(&file.path).unwrap(), content());
}

#[tokio::test]
async fn what_hashes_to_something_else_is_refused() {
    let wanted = Sha256Digest::of(b"what the hub states");
    let server = serving(wanted, |seen, _| bytes_of(seen, &content())).await;
    let folder = tempfile::tempdir().unwrap();
    let error = hub(&server, folder.path())
        .file(REPO, FILE)
        .await
        .unwrap_err();
    assert!(matches!(error, HubError::Damaged { .. }), "{error}");
    let left = std::fs::read_dir(folder.path().join("contents")).unwrap();
    assert_eq!(left.count(), 0, "nothing of it is kept");
}

#[tokio::test]
async fn a_damaged_beginning_is_thrown_away() {
    let sha256 = Sha256Digest::of(&content());
    let server = serving(sha256, |seen, _| bytes_of(seen, &content())).await;
    let folder = tempfile::tempdir().unwrap();
    let part = folder
        .path()
        .join("contents")
        .join(format!("{sha256}.part"));
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    for garbage in [500, 1_000_000] {
        std::fs::write(&part, vec![7; garbage]).unwrap();
        let file = hub(&server, folder.path()).file(REPO, FILE).await.unwrap();
        assert_eq!(std::fs::read(&file.path).unwrap(), content());
        std::fs::remove_file(&file.path).unwrap();
    }
}

#[tokio::test]
async fn a_renamed_repository_is_followed() {
    let sha256 = Sha256Digest::of(&content());
    let server = Server::start(move |seen, _| match seen.uri.path() {
        "/old/name/resolve/main/model.safetensors" => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", RESOLVE)]).into_response()
        }
        RESOLVE => pointer("/cdn/blob", sha256),
        _ => bytes_of(seen, &content()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = hub(&server, folder.path())
        .file("old/name", FILE)
        .await
        .unwrap();
    assert_eq!(file.sha256, sha256);
}

#[tokio::test]
async fn what_cannot_be_had_or_verified_is_named() {
    let answers = [
        (
            StatusCode::UNAUTHORIZED,
            "the hub has no timm/x/model.safetensors",
        ),
        (
            StatusCode::NOT_FOUND,
            "the hub has no timm/x/model.safetensors",
        ),
        (StatusCode::OK, "states no SHA-256"),
        (StatusCode::IM_A_TEAPOT, "answers 418"),
    ];
    for (status, says) in answers {
        let server = Server::start(move |_, _| status.into_response()).await;
        let folder = tempfile::tempdir().unwrap();
        let error = hub(&server, folder.path())
            .file("timm/x", FILE)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(server.seen().len(), 1, "asking again would not help");
        assert_eq!(server.seen()[0].method, Method::HEAD);
    }
}
