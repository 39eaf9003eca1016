-- Trials that somebody else's code trains.

ALTER TABLE trial ALTER COLUMN dataset_version DROP NOT NULL;
COMMENT ON COLUMN trial.dataset_version IS 'Null for an external trial, which brings its own data; its dataset is empty';

ALTER TABLE trial_queue ADD COLUMN external boolean NOT NULL DEFAULT false;
CREATE INDEX trial_queue_line_idx ON trial_queue (external, priority DESC, fair_at, seq);
DROP INDEX trial_queue_fair_idx;
COMMENT ON COLUMN trial_queue.external IS 'Handed out to whoever asks for its sweep, never to a worker';

ALTER TABLE attempt ADD COLUMN renewed_at timestamptz;
COMMENT ON COLUMN attempt.renewed_at IS 'When an external trainer was last heard of: its reports are its heartbeats';
