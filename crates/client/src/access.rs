//! Tokens, the caller's own standing, and the workers.

use cultivar_spec::wire::{
    AuditPage, CreatedToken, Enrolment, LoginLink, NewEnrolment, NewToken, Rotation, SessionView,
    TokenView, WorkerView,
};
use cultivar_spec::{TokenId, WorkerId};
use reqwest::Method;
use serde_json::json;

use crate::http::Repeat;
use crate::{Client, Error};

/// `/api/v1/session`, `/api/v1/tokens`, `/api/v1/workers`. Each fails as any call may; see [`Error`].
impl Client {
    /// What the token may do, and which server answers.
    pub async fn session(&self) -> Result<SessionView, Error> {
        self.get(&["session"], &[]).await
    }

    /// Makes a link that logs a browser in, once. Sent again only where it had no effect.
    pub async fn create_login_link(&self) -> Result<LoginLink, Error> {
        self.post(&["session", "links"], &json!({}), Repeat::Harmful)
            .await
    }

    /// Tokens, without their secrets.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, Error> {
        self.get(&["tokens"], &[]).await
    }

    /// Creates a token; its secret is in this answer only.
    pub async fn create_token(&self, new: &NewToken) -> Result<CreatedToken, Error> {
        self.create(&["tokens"], new).await
    }

    pub async fn revoke_token(&self, id: TokenId) -> Result<(), Error> {
        let id = id.to_string();
        let call = self.call(Method::DELETE, &["tokens", &id], Repeat::Harmless);
        self.bytes(&call).await.map(drop)
    }

    /// Gives a token a successor; the old one works for `rotation.overlap_s` longer.
    pub async fn rotate_token(
        &self,
        id: TokenId,
        rotation: &Rotation,
    ) -> Result<CreatedToken, Error> {
        let id = id.to_string();
        self.create(&["tokens", &id, "rotate"], rotation).await
    }

    /// Creates a token that one worker exchanges, once, for its own.
    pub async fn create_enrolment(&self, new: &NewEnrolment) -> Result<CreatedToken, Error> {
        self.create(&["workers", "enrolments"], new).await
    }

    /// Exchanges an enrolment for the worker's own token. Sent again only where it had no effect.
    pub async fn enroll(&self, enrolment: &Enrolment) -> Result<CreatedToken, Error> {
        self.post(&["workers", "enroll"], enrolment, Repeat::Harmful)
            .await
    }

    /// Who did what to which id, newest first; a page before `cursor`.
    pub async fn audit(&self, cursor: Option<u64>) -> Result<AuditPage, Error> {
        let cursor = cursor.map(|cursor| ("cursor", cursor.to_string()));
        self.get(&["audit"], cursor.as_slice()).await
    }

    /// Worker daemons, the latest heard of first.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, Error> {
        self.get(&["workers"], &[]).await
    }

    /// Lets a quarantined worker have leases again, and forgives its faults.
    pub async fn release_worker(&self, id: WorkerId) -> Result<(), Error> {
        let id = id.to_string();
        let call = self.post_call(&["workers", &id, "release"], &json!({}), Repeat::Harmless);
        self.bytes(&call).await.map(drop)
    }
}
