-- Schedulers: trials that stop early, wait for others, or take over from them.

ALTER TABLE sweep ADD COLUMN scheduled boolean NOT NULL DEFAULT false;
CREATE INDEX sweep_scheduled_idx ON sweep (id) WHERE scheduled;
COMMENT ON COLUMN sweep.scheduled IS 'It has a scheduler, which hears of every epoch of its trials';

ALTER TABLE trial
    ADD COLUMN held            boolean NOT NULL DEFAULT false,
    ADD COLUMN prune_requested boolean NOT NULL DEFAULT false,
    ADD COLUMN checkpoint_spec bytea CHECK (octet_length(checkpoint_spec) = 32);
COMMENT ON COLUMN trial.held IS 'Its scheduler wants it to give way, and keeps it paused until its rung is decided';
COMMENT ON COLUMN trial.prune_requested IS 'Its scheduler has stopped it: it ends as pruned';
COMMENT ON COLUMN trial.checkpoint_spec IS 'SHA-256 of the canonical spec under which its checkpoint was written, where that was another trial''s';

COMMENT ON COLUMN trial.objective IS 'Final value of the objective metric, of a pruned trial the last one reported; null unless finite';

CREATE TABLE epoch_report (
    trial_id uuid NOT NULL REFERENCES trial (id),
    epoch    integer NOT NULL CHECK (epoch > 0),
    sweep_id uuid NOT NULL,
    value    double precision NOT NULL,
    taken    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (trial_id, epoch)
);
CREATE INDEX epoch_report_new_idx ON epoch_report (sweep_id) WHERE NOT taken;
COMMENT ON TABLE epoch_report IS 'Objective of a scheduled trial after each epoch; the first report of an epoch stands';
COMMENT ON COLUMN epoch_report.sweep_id IS 'No foreign key: a report must not wait for whoever has the sweep locked';
COMMENT ON COLUMN epoch_report.value IS 'NaN and infinities included';
COMMENT ON COLUMN epoch_report.taken IS 'The scheduler has it in its log';

CREATE TABLE schedule_event (
    sweep_id uuid NOT NULL REFERENCES sweep (id),
    seq      bigint NOT NULL,
    step     bigint NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('joined', 'report', 'opened', 'paused', 'ended', 'closed', 'decided')),
    trial_id uuid REFERENCES trial (id),
    trial    integer CHECK (trial >= 0),
    epoch    integer,
    value    double precision,
    detail   jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sweep_id, seq),
    CHECK ((kind = 'closed') = (trial IS NULL)),
    CHECK ((kind = 'closed') = (trial_id IS NULL))
);
COMMENT ON TABLE schedule_event IS 'Log of every scheduler: what it saw, in the order it saw it, and what it decided. Decisions are a function of what stands before them';
COMMENT ON COLUMN schedule_event.step IS 'What was new together, followed by what was decided on it';
COMMENT ON COLUMN schedule_event.trial IS 'Number of the trial within its sweep, in the order of joining';
COMMENT ON COLUMN schedule_event.detail IS 'Of joined: its place in the space; of ended: how; of decided: the action';
