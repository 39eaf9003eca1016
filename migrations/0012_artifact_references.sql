-- Which blobs are needed, so that the rest can go.

ALTER TABLE artifact ADD COLUMN touched_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN artifact.touched_at IS 'When somebody last stored it or asked whether it is here: it may be about to be referred to';

CREATE TABLE artifact_pin (
    sha256 bytea NOT NULL REFERENCES artifact (sha256),
    holder text NOT NULL,
    PRIMARY KEY (sha256, holder)
);
CREATE INDEX artifact_pin_holder_idx ON artifact_pin (holder);
COMMENT ON TABLE artifact_pin IS 'References that stand inside documents and not in a column of their own';
COMMENT ON COLUMN artifact_pin.holder IS 'dataset:VERSION for the files of a manifest; trials for weights that a trial starts from';

INSERT INTO artifact_pin (sha256, holder)
SELECT DISTINCT a.sha256, 'trials' FROM trial t
JOIN artifact a ON a.sha256 = decode(t.spec #>> '{backbone,weights_sha256}', 'hex');

-- Every reference is looked for when a blob is about to go.
CREATE INDEX trial_checkpoint_idx ON trial (checkpoint_sha256) WHERE checkpoint_sha256 IS NOT NULL;
CREATE INDEX trial_model_idx ON trial (model_sha256) WHERE model_sha256 IS NOT NULL;
CREATE INDEX trial_predictions_idx ON trial (predictions_sha256) WHERE predictions_sha256 IS NOT NULL;
CREATE INDEX evaluation_predictions_idx ON evaluation (predictions_sha256) WHERE predictions_sha256 IS NOT NULL;
CREATE INDEX prediction_artifact_idx ON prediction (sha256);
CREATE INDEX weights_artifact_idx ON weights (sha256);
