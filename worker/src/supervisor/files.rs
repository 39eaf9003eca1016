//! What a job needs on this machine before it starts.

use std::path::{Path, PathBuf};

use cultivar_client::{ArtifactCache, Client};
use cultivar_spec::Sha256Digest;
use cultivar_spec::backbones::TORCHSCRIPT;
use cultivar_spec::trainer::{EvaluateJob, JobFiles, ToTrainer, TrainJob};
use cultivar_spec::wire::{DatasetFiles, Job};
use futures::{StreamExt, TryStreamExt, stream};

use super::leases::Hold;
use super::persist::{Undelivered, persist_file};

/// Parquet files fetched at the same time.
const N_PARALLEL: usize = 4;

/// Fetches and verifies everything that `job` names, and words it for the trainer. `own`: the file on this machine that
/// holds its weights.
///
/// # Errors
/// Something cannot be fetched or written; waits for a server that is away.
pub async fn prepare(
    client: &Client,
    artifacts: &ArtifactCache,
    hold: &Hold,
    job: &Job,
    own: Option<PathBuf>,
    cache_dir: PathBuf,
    work_dir: &Path,
) -> Result<ToTrainer, Undelivered> {
    let fetch = Fetch {
        client,
        artifacts,
        hold,
    };
    let tag = hold.lease.to_string();
    match job {
        Job::Train {
            spec,
            dataset,
            weights,
            resume,
            resume_spec,
        } => {
            let (mut files, mut weights, resume) = tokio::try_join!(
                fetch.dataset(dataset, cache_dir, work_dir),
                async {
                    match weights {
                        Some(sha256) => fetch.shared(*sha256).await.map(Some),
                        None => Ok(None),
                    }
                },
                async {
                    match resume {
                        Some(checkpoint) => fetch
                            .own(checkpoint.sha256, work_dir, "resume")
                            .await
                            .map(Some),
                        None => Ok(None),
                    }
                },
            )?;
            match spec.backbone.name == TORCHSCRIPT {
                true => files.module = own,
                false => weights = weights.or(own),
            }
            let job = TrainJob {
                tag,
                spec: (**spec).clone(),
                files,
                weights,
                resume,
                resume_spec: *resume_spec,
            };
            Ok(ToTrainer::Train { jobs: vec![job] })
        }
        Job::Evaluate {
            spec,
            dataset,
            model,
            split,
        } => {
            let (mut files, model) = tokio::try_join!(
                fetch.dataset(dataset, cache_dir, work_dir),
                fetch.own(*model, work_dir, "evaluated-model"),
            )?;
            files.module = own;
            let job = EvaluateJob {
                tag,
                spec: (**spec).clone(),
                files,
                model,
                split: *split,
            };
            Ok(ToTrainer::Evaluate { job })
        }
    }
}

struct Fetch<'a> {
    client: &'a Client,
    artifacts: &'a ArtifactCache,
    hold: &'a Hold,
}

impl Fetch<'_> {
    /// Datasets and weights serve many trials, and stay.
    async fn shared(&self, sha256: Sha256Digest) -> Result<PathBuf, Undelivered> {
        persist_file(self.hold, || self.artifacts.get(sha256)).await
    }

    /// Checkpoints and models serve one job, and go with its folder.
    async fn own(
        &self,
        sha256: Sha256Digest,
        work_dir: &Path,
        name: &str,
    ) -> Result<PathBuf, Undelivered> {
        let path = work_dir.join(name);
        persist_file(self.hold, || self.client.download(sha256, &path)).await?;
        Ok(path)
    }

    async fn dataset(
        &self,
        dataset: &DatasetFiles,
        cache_dir: PathBuf,
        work_dir: &Path,
    ) -> Result<JobFiles, Undelivered> {
        let manifest = self.shared(dataset.manifest).await?;
        let data = stream::iter(dataset.data.clone())
            .map(|sha256| self.shared(sha256))
            .buffered(N_PARALLEL)
            .try_collect()
            .await?;
        Ok(JobFiles {
            manifest,
            data,
            cache_dir,
            module: None,
            work_dir: work_dir.to_owned(),
        })
    }
}
