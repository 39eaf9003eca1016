-- The whole state of Cultivar. Times are the database's clock, the only clock there is.
-- A landed migration is never edited; see docs/migrations.md.

-- Access ---------------------------------------------------------------------------------------

CREATE TABLE token (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    scope        text NOT NULL CHECK (scope IN ('viewer', 'submitter', 'worker', 'admin')),
    secret_hash  bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    single_use   boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
COMMENT ON TABLE token IS 'API tokens, login tokens and browser sessions';
COMMENT ON COLUMN token.secret_hash IS 'SHA-256 of the secret, which is stored nowhere';
COMMENT ON COLUMN token.single_use IS 'A login token: exchanged once for a session, then revoked';

CREATE TABLE idempotency (
    key          text NOT NULL,
    route        text NOT NULL,
    request_hash bytea NOT NULL,
    response     jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, route)
);
COMMENT ON TABLE idempotency IS 'Answers already given, written in the transaction of the effect they describe (I4)';

-- Blobs ----------------------------------------------------------------------------------------

CREATE TABLE artifact (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    n_bytes    bigint NOT NULL CHECK (n_bytes >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE artifact IS 'Blobs in the object store, verified before the row is written (I5)';

-- Datasets and weights -------------------------------------------------------------------------

CREATE TABLE dataset (
    version    bytea PRIMARY KEY REFERENCES artifact (sha256),
    name       text NOT NULL,
    title      text NOT NULL,
    summary    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dataset_name_idx ON dataset (name, created_at DESC);
COMMENT ON TABLE dataset IS 'Dataset versions: the manifest is the artifact whose hash is the version';
COMMENT ON COLUMN dataset.summary IS 'Counts and sources, as listed by GET /api/v1/datasets';

CREATE TABLE weights (
    backbone   text PRIMARY KEY,
    entry      jsonb NOT NULL,
    sha256     bytea NOT NULL REFERENCES artifact (sha256),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE weights IS 'What "pretrained" means for a backbone';

CREATE TABLE sota (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    method     text NOT NULL,
    backbone   text NOT NULL,
    metric     text NOT NULL,
    resolution integer,
    source     text NOT NULL,
    entry      jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (dataset, method, backbone, metric, resolution, source)
);
COMMENT ON TABLE sota IS 'Published results, beside which the leaderboard stands';

-- Sweeps and trials ----------------------------------------------------------------------------

CREATE TABLE sweep (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    dataset      text NOT NULL,
    spec         jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz
);

CREATE TABLE trial (
    id             uuid PRIMARY KEY,
    sweep_id       uuid REFERENCES sweep (id),
    config_id      bytea NOT NULL CHECK (octet_length(config_id) = 32),
    seed           bigint NOT NULL,
    label          text NOT NULL,
    dataset        text NOT NULL,
    dataset_version bytea NOT NULL REFERENCES dataset (version),
    spec           jsonb NOT NULL,
    spec_version   integer NOT NULL,
    state          text NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'completed', 'pruned', 'failed', 'cancelled')),
    last_epoch     bigint NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    checkpoint_sha256 bytea REFERENCES artifact (sha256),
    checkpoint_epoch  integer,
    checkpoint_step   bigint,
    model_sha256       bytea REFERENCES artifact (sha256),
    predictions_sha256 bytea REFERENCES artifact (sha256),
    metrics        jsonb NOT NULL DEFAULT '{}',
    objective      double precision,
    cost           jsonb,
    error          text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz
);
CREATE INDEX trial_sweep_idx ON trial (sweep_id, id);
CREATE INDEX trial_unsettled_idx ON trial (state, id) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX trial_ranking_idx ON trial (dataset, config_id) WHERE state = 'completed';
COMMENT ON TABLE trial IS 'One configuration with one seed';
COMMENT ON COLUMN trial.spec IS 'Resolved: every default written out, dataset version and weights hash pinned';
COMMENT ON COLUMN trial.last_epoch IS 'Epoch of the newest attempt of any job; only grows (I3)';
COMMENT ON COLUMN trial.objective IS 'Final value of the objective metric; null unless finite';
COMMENT ON COLUMN trial.checkpoint_sha256 IS 'The latest checkpoint of an attempt that was not superseded';

-- What runs ------------------------------------------------------------------------------------

CREATE TABLE evaluation (
    trial_id     uuid NOT NULL REFERENCES trial (id),
    split        text NOT NULL CHECK (split IN ('train', 'val', 'test')),
    state        text NOT NULL CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    reason       text NOT NULL,
    metrics      jsonb NOT NULL DEFAULT '{}',
    predictions_sha256 bytea REFERENCES artifact (sha256),
    error        text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    PRIMARY KEY (trial_id, split)
);
COMMENT ON TABLE evaluation IS 'Predictions on a held-out split, asked for by name and reason';

CREATE TABLE test_access (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    trial_id   uuid NOT NULL REFERENCES trial (id),
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE test_access IS 'Every opening of a test split; append only';

CREATE TABLE trial_queue (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id     uuid NOT NULL REFERENCES trial (id),
    job          text NOT NULL CHECK (job IN ('train', 'evaluate')),
    split        text CHECK (split IN ('train', 'val', 'test')),
    priority     integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (trial_id, job, split)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE INDEX trial_queue_order_idx ON trial_queue (priority DESC, seq);
COMMENT ON TABLE trial_queue IS 'Jobs waiting for a worker: small and hot, beside the cold trial table';

CREATE TABLE worker (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    device     jsonb NOT NULL,
    version    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE worker_heartbeat (
    worker_id uuid PRIMARY KEY REFERENCES worker (id),
    boot_id   uuid NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT now(),
    held      uuid[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON TABLE worker_heartbeat IS 'One row a worker, no index but the key, so that every renewal is a HOT update';
COMMENT ON COLUMN worker_heartbeat.held IS 'The leases the worker said it holds: only these are renewed';

CREATE TABLE attempt (
    lease_id      uuid PRIMARY KEY,
    trial_id      uuid NOT NULL REFERENCES trial (id),
    job           text NOT NULL CHECK (job IN ('train', 'evaluate')),
    split         text CHECK (split IN ('train', 'val', 'test')),
    epoch         bigint NOT NULL,
    worker_id     uuid NOT NULL REFERENCES worker (id),
    boot_id       uuid NOT NULL,
    claim_request uuid NOT NULL,
    claimed_at    timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    outcome       text CHECK (outcome IN ('completed', 'pruned', 'cancelled', 'yielded', 'preempted', 'lost', 'stalled',
                                          'out_of_memory', 'diverged', 'crashed', 'worker_fault', 'bad_input')),
    error         text,
    finish        jsonb,
    resumed_from_step bigint NOT NULL DEFAULT 0,
    checkpoint_step   bigint,
    UNIQUE (trial_id, epoch),
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX attempt_one_active_idx ON attempt (trial_id) WHERE outcome IS NULL;
CREATE INDEX attempt_claim_idx ON attempt (worker_id, claim_request);
COMMENT ON TABLE attempt IS 'One lease of one trial. Its id is the fence';
COMMENT ON COLUMN attempt.epoch IS 'Orders the attempts of a trial; from trial.last_epoch, never from a retry count';
COMMENT ON COLUMN attempt.claim_request IS 'The claim it was handed out to: asked again, the claim gets the same leases (I4)';
COMMENT ON COLUMN attempt.finish IS 'The accepted finish, for replays';

CREATE TABLE trial_progress (
    trial_id   uuid PRIMARY KEY REFERENCES trial (id),
    lease_id   uuid NOT NULL,
    progress   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE trial_progress IS 'The latest word of each running attempt; deleted when it ends';

CREATE TABLE superseded_write (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lease_id   uuid NOT NULL REFERENCES attempt (lease_id),
    kind       text NOT NULL,
    body       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE superseded_write IS 'What a superseded lease wrote: kept aside, never counted (I3)';

-- Results --------------------------------------------------------------------------------------

CREATE TABLE metric_point (
    lease_id uuid NOT NULL REFERENCES attempt (lease_id),
    metric   text NOT NULL,
    step     bigint NOT NULL,
    epoch    double precision NOT NULL,
    value    double precision NOT NULL,
    PRIMARY KEY (lease_id, metric, step)
);
COMMENT ON TABLE metric_point IS 'Values over the run of one attempt; NaN and infinities included';

CREATE TABLE log_line (
    lease_id uuid NOT NULL REFERENCES attempt (lease_id),
    line_no  bigint NOT NULL,
    text     text NOT NULL,
    PRIMARY KEY (lease_id, line_no)
);

CREATE TABLE prediction (
    trial_id uuid NOT NULL REFERENCES trial (id),
    split    text NOT NULL CHECK (split IN ('train', 'val', 'test')),
    sha256   bytea NOT NULL REFERENCES artifact (sha256),
    n_images integer NOT NULL,
    top1     double precision NOT NULL,
    correct  bytea NOT NULL,
    PRIMARY KEY (trial_id, split)
);
COMMENT ON TABLE prediction IS 'Which images an accepted result got right, computed by the server from the uploaded logits';
COMMENT ON COLUMN prediction.correct IS 'One bit an image in the order of the split''s rows in the manifest, least significant bit first';

-- Live pages -----------------------------------------------------------------------------------

CREATE TABLE event (
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id         bigint GENERATED ALWAYS AS IDENTITY,
    body       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, id)
);
COMMENT ON TABLE event IS 'What happened, for pages that stay open. Read up to the oldest running transaction, so none is skipped';
