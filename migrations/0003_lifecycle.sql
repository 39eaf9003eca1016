-- Pausing, priorities, shares of the workers, limits in number and in time.

ALTER TABLE sweep
    ADD COLUMN priority    integer NOT NULL DEFAULT 0,
    ADD COLUMN weight      double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
    ADD COLUMN parallel    integer CHECK (parallel > 0),
    ADD COLUMN start_after timestamptz,
    ADD COLUMN deadline    timestamptz,
    ADD COLUMN paused_at   timestamptz,
    ADD COLUMN fair_at     double precision NOT NULL DEFAULT 0,
    ADD COLUMN open        boolean NOT NULL DEFAULT false;
CREATE INDEX sweep_open_idx ON sweep (id) WHERE open;
COMMENT ON COLUMN sweep.parallel IS 'Most of its trials that are queued for a worker or run, at once';
COMMENT ON COLUMN sweep.fair_at IS 'Place in line of the last trial it queued; see trial_queue.fair_at';
COMMENT ON COLUMN sweep.open IS 'Some of its trials wait outside the queue: the feeder looks after it';

ALTER TABLE trial ADD COLUMN pause_requested boolean NOT NULL DEFAULT false;
CREATE INDEX trial_open_idx ON trial (sweep_id, id) WHERE state IN ('queued', 'running', 'paused');
COMMENT ON COLUMN trial.pause_requested IS 'Somebody paused it: it stays paused until somebody resumes it';

ALTER TABLE trial_queue ADD COLUMN fair_at double precision NOT NULL DEFAULT 0;
CREATE INDEX trial_queue_fair_idx ON trial_queue (priority DESC, fair_at, seq);
DROP INDEX trial_queue_order_idx;
COMMENT ON COLUMN trial_queue.fair_at IS 'Place in line among equals of priority: the start tag of start-time fair queueing, so that sweeps share by weight';
COMMENT ON COLUMN trial_queue.priority IS 'Twice the priority somebody chose, plus one for work already begun';

ALTER TABLE worker
    ADD COLUMN quarantined_at     timestamptz,
    ADD COLUMN quarantine_reason  text,
    ADD COLUMN faults_since       timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX attempt_fault_idx ON attempt (worker_id) WHERE outcome = 'worker_fault';
COMMENT ON COLUMN worker.quarantined_at IS 'Gets no leases since then, until somebody releases it';
COMMENT ON COLUMN worker.faults_since IS 'Faults before this were forgiven';
