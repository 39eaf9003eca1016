//! Resolving a checked spec: everything it names is looked up and pinned, so that what is stored needs
//! no further look-ups and means the same tomorrow.

use std::collections::HashMap;

use cultivar_spec::resolve::{
    Dataset, imagenet_input, pin_dataset, pin_weights, pinned_random, plain_input, registered_input,
};
use cultivar_spec::trial::{Input, Weights};
use cultivar_spec::wire::{DatasetView, WeightsEntry};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, Violation};

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

type Found<T> = Result<T, Violation>;

/// Looks names up once each, however many specs name them.
pub struct Resolver<'a> {
    state: &'a AppState,
    datasets: HashMap<(String, Option<Sha256Digest>), Found<DatasetView>>,
    weights: HashMap<String, Option<WeightsEntry>>,
    artifacts: HashMap<Sha256Digest, bool>,
    trials: HashMap<TrialId, Found<(Sha256Digest, TrialSpec)>>,
}

impl<'a> Resolver<'a> {
    pub fn new(state: &'a AppState) -> Self {
        Self {
            state,
            datasets: HashMap::new(),
            weights: HashMap::new(),
            artifacts: HashMap::new(),
            trials: HashMap::new(),
        }
    }

    /// Pins the dataset version and the weights, and writes out the input convention. Returns what is
    /// wrong with the names in the spec; where that is not empty, the spec is half resolved.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn resolve(&mut self, spec: &mut TrialSpec) -> Result<Vec<Violation>, ApiError> {
        let mut found = Vec::new();
        if spec.is_external() {
            return Ok(found);
        }
        match self.dataset(&spec.data.dataset, spec.data.version).await? {
            Err(violation) => found.push(violation),
            Ok(dataset) => {
                let dataset = Dataset {
                    version: dataset.version,
                    n_val: dataset.n_val,
                };
                found.extend(pin_dataset(spec, dataset));
            }
        }
        match self.weights_of(spec).await? {
            Err(violation) => found.push(violation),
            Ok((sha256, convention)) => {
                pin_weights(spec, sha256, &convention);
            }
        }
        Ok(found)
    }

    async fn dataset(
        &mut self,
        name: &str,
        version: Option<Sha256Digest>,
    ) -> Result<Found<DatasetView>, ApiError> {
        let key = (name.to_owned(), version);
        if let Some(found) = self.datasets.get(&key) {
            return Ok(found.clone());
        }
        let pool = &self.state.pool;
        let view = match version {
            Some(version) => store::dataset::version(pool, name, &version).await?,
            None => store::dataset::newest(pool, name).await?,
        };
        let found = match view {
            Some(view) => Ok(view),
            None => Err(self.unknown_dataset(name, version).await?),
        };
        self.datasets.insert(key, found.clone());
        Ok(found)
    }

    async fn unknown_dataset(
        &self,
        name: &str,
        version: Option<Sha256Digest>,
    ) -> Result<Violation, ApiError> {
        let known = store::dataset::list(&self.state.pool).await?;
        let names: Vec<_> = known.iter().map(|dataset| dataset.name.as_str()).collect();
        Ok(match version {
            Some(version) if names.contains(&name) => Violation::new(
                "/data/version",
                version.to_string(),
                format!("a registered version of {name}; left out, the newest is taken"),
            ),
            _ if names.is_empty() => Violation::new(
                "/data/dataset",
                name,
                "the name of a registered dataset; none is registered yet: cultivar dataset add",
            ),
            _ => Violation::new(
                "/data/dataset",
                name,
                format!("the name of a registered dataset: {}", names.join(", ")),
            ),
        })
    }

    /// The weights file and the input convention that goes with it.
    async fn weights_of(
        &mut self,
        spec: &TrialSpec,
    ) -> Result<Found<(Option<Sha256Digest>, Input)>, ApiError> {
        let backbone = &spec.backbone;
        let wrong = |expected: String| {
            Violation::new("/backbone/weights", backbone.weights.to_string(), expected)
        };
        let registered = self.registered(&backbone.name).await?;
        let convention = registered
            .as_ref()
            .map_or_else(plain_input, registered_input);
        Ok(match &backbone.weights {
            Weights::Pretrained => match (registered, backbone.weights_sha256) {
                (None, _) => Err(wrong(format!(
                    "random, trial:ID or artifact:SHA256, since no pretrained weights are registered for {name}: cultivar weights add {name}",
                    name = backbone.name
                ))),
                // A spec resolved earlier keeps the file it pinned, whatever is registered today.
                (Some(_), Some(pinned)) => self
                    .artifact(pinned, "/backbone/weights_sha256")
                    .await?
                    .map(|()| (Some(pinned), convention)),
                (Some(entry), None) => Ok((Some(entry.sha256), convention)),
            },
            Weights::Random => match pinned_random(backbone) {
                None => Ok((None, convention)),
                Some(violation) => Err(violation),
            },
            Weights::Artifact(digest) => self
                .artifact(*digest, "/backbone/weights")
                .await?
                .map(|()| (Some(*digest), convention)),
            // The worker looks whether it is that file.
            Weights::File(_) => Ok((backbone.weights_sha256, imagenet_input())),
            Weights::Trial(id) => match self.trial(*id).await? {
                Err(violation) => Err(violation),
                Ok((_, source)) if source.backbone.name != backbone.name => Err(wrong(format!(
                    "a trial of backbone {}: that one has {}",
                    backbone.name, source.backbone.name
                ))),
                Ok((model, source)) => Ok((Some(model), source.input)),
            },
        })
    }

    async fn registered(&mut self, backbone: &str) -> Result<Option<WeightsEntry>, ApiError> {
        if let Some(found) = self.weights.get(backbone) {
            return Ok(found.clone());
        }
        let found = store::weights::find(&self.state.pool, backbone).await?;
        self.weights.insert(backbone.to_owned(), found.clone());
        Ok(found)
    }

    async fn artifact(
        &mut self,
        digest: Sha256Digest,
        pointer: &str,
    ) -> Result<Found<()>, ApiError> {
        let exists = match self.artifacts.get(&digest) {
            Some(exists) => *exists,
            None => store::artifact::size(&self.state.pool, &digest)
                .await?
                .is_some(),
        };
        self.artifacts.insert(digest, exists);
        Ok(match exists {
            true => Ok(()),
            false => Err(Violation::new(
                pointer,
                digest.to_string(),
                "an artifact uploaded before it is named here",
            )),
        })
    }

    async fn trial(&mut self, id: TrialId) -> Result<Found<(Sha256Digest, TrialSpec)>, ApiError> {
        if let Some(found) = self.trials.get(&id) {
            return Ok(found.clone());
        }
        let wrong =
            |expected: &str| Violation::new("/backbone/weights", format!("trial:{id}"), expected);
        let found = match store::trial::spec_and_model(&self.state.pool, id).await? {
            None => Err(wrong("the id of a trial of this server")),
            Some((_, None)) => Err(wrong(
                "a trial that has completed: this one has no final model",
            )),
            Some((spec, Some(model))) => Ok((model, spec)),
        };
        self.trials.insert(id, found.clone());
        Ok(found)
    }
}
