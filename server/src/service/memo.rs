//! Answers that are dear to compute and change only when their inputs do.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::Mutex;

/// Entries kept; beyond, all are forgotten. A dataset needs a handful.
const MAX_ENTRIES: usize = 64;

/// The latest answer for each key, with the fingerprint of the inputs it was computed from.
/// Cheap to clone.
pub struct Memo<K, F, V>(Arc<Mutex<Entries<K, F, V>>>);

type Entries<K, F, V> = HashMap<K, (F, Arc<V>)>;

impl<K, F, V> Clone for Memo<K, F, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, F, V> Default for Memo<K, F, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash, F: PartialEq, V> Memo<K, F, V> {
    /// The answer computed from inputs with this fingerprint. Those who ask meanwhile wait for it,
    /// so that many open pages cost one computation.
    ///
    /// # Errors
    /// What `compute` failed with; nothing is kept then.
    pub async fn get<E>(
        &self,
        key: K,
        fingerprint: F,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E> {
        let mut entries = self.0.lock().await;
        if let Some((of, value)) = entries.get(&key)
            && *of == fingerprint
        {
            return Ok(value.clone());
        }
        let value = Arc::new(compute.await?);
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(key, (fingerprint, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_lasts_as_long_as_its_fingerprint() {
        let memo = Memo::default();
        let ask = async |fingerprint: u32, answer: Result<u32, &'static str>| {
            memo.get("key", fingerprint, async { answer })
                .await
                .map(|value| *value)
        };
        assert_eq!(ask(1, Ok(10)).await, Ok(10));
        assert_eq!(ask(1, Ok(20)).await, Ok(10));
        assert_eq!(ask(2, Err("away")).await, Err("away"));
        assert_eq!(ask(2, Ok(30)).await, Ok(30));
    }
}
