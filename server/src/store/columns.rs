//! Reading columns into the contract's types.

use cultivar_spec::Sha256Digest;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{ColumnIndex, Row};

use super::Result;

/// Typed access to a row's columns by name.
pub trait Columns {
    /// A `bytea` of 32 bytes.
    fn digest(&self, name: &str) -> Result<Sha256Digest>;
    /// A `bytea` of 32 bytes, or null.
    fn maybe_digest(&self, name: &str) -> Result<Option<Sha256Digest>>;
    /// A `text` that names a variant.
    fn word<T: DeserializeOwned>(&self, name: &str) -> Result<T>;
    /// A `text` that names a variant, or null.
    fn maybe_word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>>;
    /// A `jsonb`.
    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T>;
    /// A `jsonb`, or null.
    fn maybe_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>>;
    /// A `bigint` that is never negative.
    fn count(&self, name: &str) -> Result<u64>;
    /// A `bigint` that is never negative, or null.
    fn maybe_count(&self, name: &str) -> Result<Option<u64>>;
}

impl Columns for PgRow
where
    for<'a> &'a str: ColumnIndex<PgRow>,
{
    fn digest(&self, name: &str) -> Result<Sha256Digest> {
        to_digest(name, self.try_get(name)?)
    }

    fn maybe_digest(&self, name: &str) -> Result<Option<Sha256Digest>> {
        let bytes: Option<&[u8]> = self.try_get(name)?;
        bytes.map(|bytes| to_digest(name, bytes)).transpose()
    }

    fn word<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        to_variant(name, self.try_get(name)?)
    }

    fn maybe_word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let text: Option<String> = self.try_get(name)?;
        text.map(|text| to_variant(name, text)).transpose()
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Json(value) = self.try_get(name)?;
        Ok(value)
    }

    fn maybe_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let value: Option<Json<T>> = self.try_get(name)?;
        Ok(value.map(|Json(value)| value))
    }

    fn count(&self, name: &str) -> Result<u64> {
        let number: i64 = self.try_get(name)?;
        u64::try_from(number).map_err(|e| decode_error(name, e))
    }

    fn maybe_count(&self, name: &str) -> Result<Option<u64>> {
        let number: Option<i64> = self.try_get(name)?;
        let read = |number| u64::try_from(number).map_err(|e| decode_error(name, e));
        number.map(read).transpose()
    }
}

fn to_digest(name: &str, bytes: &[u8]) -> Result<Sha256Digest> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|e| decode_error(name, e))?;
    Ok(Sha256Digest(bytes))
}

fn to_variant<T: DeserializeOwned>(name: &str, text: String) -> Result<T> {
    T::deserialize(Value::String(text)).map_err(|e| decode_error(name, e))
}

/// A column that holds something else than it should.
pub fn decode_error(
    name: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: name.to_owned(),
        source: Box::new(source),
    }
}
